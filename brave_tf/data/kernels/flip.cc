// Frames mirrored left to right.

#include <vector>

#include "frames.h"

namespace brave_tf {
namespace {

void FlipColorRow(const float* in, int64_t width, float* out) {
  std::copy_n(in + 3 * (width - 1), 3, out);
  // A fourth value comes along, which the next pixel overwrites; the first and the last have no such neighbour.
  for (int64_t i = 1; i < width - 1; ++i) Store(out + 3 * i, Load<Pixel>(in + 3 * (width - 1 - i)));
  std::copy_n(in, 3, out + 3 * (width - 1));
}

// Optical flow, whose first channel leads to the right.
void FlipFlowRow(const float* in, int64_t width, float* out) {
  for (int64_t i = 0; i < width; ++i) {
    out[2 * i] = -in[2 * (width - 1 - i)];
    out[2 * i + 1] = in[2 * (width - 1 - i) + 1];
  }
}

class FlipFrames : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(tensorflow::OpKernelContext* context) override {
    const Tensor& video = context->input(0);
    OP_REQUIRES(context, video.dims() == 4 && (video.dim_size(3) == 2 || video.dim_size(3) == 3),
                tensorflow::errors::InvalidArgument("expected a video (T, H, W, 2 or 3), not ",
                                                    video.shape().DebugString()));
    Tensor* flipped = nullptr;
    OP_REQUIRES_OK(context,
                   context->forward_input_or_allocate_output({0}, 0, video.shape(), &flipped));
    if (video.NumElements() == 0) return;
    const int64_t height = video.dim_size(1), width = video.dim_size(2);
    const int64_t length = width * video.dim_size(3);
    const auto flip_row = video.dim_size(3) == 2 ? FlipFlowRow : FlipColorRow;
    const float* from = video.flat<float>().data();
    float* to = flipped->flat<float>().data();
    ForFrames(context, video.dim_size(0), height * length, [&](int64_t first, int64_t last) {
      std::vector<float> copy(length);  // The result may take the place of the video.
      for (int64_t row = first * height; row < last * height; ++row) {
        std::copy_n(from + row * length, length, copy.data());
        flip_row(copy.data(), width, to + row * length);
      }
    });
  }
};

REGISTER_OP("BraveTfFlipFrames").Input("video: float").Output("flipped: float").SetShapeFn(ShapeOfClip);
REGISTER_KERNEL_BUILDER(Name("BraveTfFlipFrames").Device(tensorflow::DEVICE_CPU), FlipFrames);

}  // namespace
}  // namespace brave_tf
