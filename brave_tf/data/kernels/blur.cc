// Separable convolution of frames, outside of which is 0.

#include <vector>

#include "frames.h"

namespace brave_tf {
namespace {

constexpr int kBand = 8;  // Rows that are made together, from values that are loaded once.

// Convolves the columns of a vector, or of one value, at kBand rows.
//   in: the first row that the first of them needs, if there is such a row.
//   first, last: which of the rows from there on exist.
//   taps: with kBand - 1 zeros on each side.
template <typename Vector>
void ConvolveColumns(const float* in, int64_t stride, int first, int last, const float* taps, float* out,
                     int64_t out_stride) {
  Vector sums[kBand] = {};
  for (int row = first; row < last; ++row) {
    const Vector values = Load<Vector>(in + row * stride);
    for (int i = 0; i < kBand; ++i) sums[i] += values * taps[kBand - 1 + row - i];
  }
  for (int i = 0; i < kBand; ++i) {
    // Rows of the next band lie too far apart for a processor to guess them.
    __builtin_prefetch(in + (last + i) * stride);
    Store(out + i * out_stride, sums[i]);
  }
}

// Convolves a vector, or one value, along its row; `stride` is from one pixel to the next.
template <typename Vector>
void ConvolveRow(const float* in, int64_t stride, const float* taps, int count, float* out) {
  Vector sum = {};
  for (int i = 0; i < count; ++i) sum += Load<Vector>(in + i * stride) * taps[i];
  Store(out, sum);
}

class Blur {
 public:
  Blur(const Tensor& video, const Tensor& taps)
      : height_(video.dim_size(1)),
        channels_(video.dim_size(3)),
        length_(video.dim_size(2) * channels_),
        count_(taps.NumElements()),
        radius_(count_ / 2),
        taps_(count_ + 2 * (kBand - 1)),
        stride_(length_ + 2 * radius_ * channels_),
        band_(kBand * stride_) {
    std::copy_n(taps.flat<float>().data(), count_, taps_.data() + kBand - 1);
  }

  void Apply(const float* frame, float* blurred) {
    if (length_ >= kLanes) {
      ApplyBy<Lanes>(frame, blurred);
    } else {
      ApplyBy<float>(frame, blurred);
    }
  }

 private:
  template <typename Vector>
  void ApplyBy(const float* frame, float* blurred) {
    constexpr int64_t kStep = sizeof(Vector) / sizeof(float);
    float* columns = band_.data() + radius_ * channels_;  // What is left and right of them stays 0.
    for (int64_t top = 0; top < height_; top += kBand) {
      const int64_t above = top - radius_;
      const int first = std::max<int64_t>(-above, 0);
      const int last = std::min<int64_t>(kBand + count_ - 1, height_ - above);
      for (int64_t i = 0; i < length_; i += kStep) {
        // The last ones of a row are made together with some that were made already.
        const int64_t at = std::min(i, length_ - kStep);
        ConvolveColumns<Vector>(frame + above * length_ + at, length_, first, last, taps_.data(),
                                columns + at, stride_);
      }
      const int64_t rows = std::min<int64_t>(kBand, height_ - top);
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t i = 0; i < length_; i += kStep) {
          const int64_t at = std::min(i, length_ - kStep);
          ConvolveRow<Vector>(band_.data() + row * stride_ + at, channels_, taps_.data() + kBand - 1,
                              count_, blurred + (top + row) * length_ + at);
        }
      }
    }
  }

  const int64_t height_, channels_, length_;
  const int count_, radius_;
  std::vector<float> taps_;
  const int64_t stride_;
  std::vector<float> band_;
};

class BlurFrames : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(tensorflow::OpKernelContext* context) override {
    const Tensor& video = context->input(0);
    const Tensor& taps = context->input(1);
    OP_REQUIRES(context, video.dims() == 4,
                tensorflow::errors::InvalidArgument("expected a video (T, H, W, C), not ",
                                                    video.shape().DebugString()));
    OP_REQUIRES(context, taps.dims() == 1 && taps.NumElements() % 2 == 1,
                tensorflow::errors::InvalidArgument("expected an odd number of taps, not ",
                                                    taps.shape().DebugString()));
    Tensor* blurred = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, video.shape(), &blurred));
    if (video.NumElements() == 0) return;
    const int64_t values = video.NumElements() / video.dim_size(0);
    const float* from = video.flat<float>().data();
    float* to = blurred->flat<float>().data();
    ForFrames(context, video.dim_size(0), values * taps.NumElements() / 8, [&](int64_t first, int64_t last) {
      Blur blur(video, taps);
      for (int64_t frame = first; frame < last; ++frame) {
        blur.Apply(from + frame * values, to + frame * values);
      }
    });
  }
};

REGISTER_OP("BraveTfBlurFrames")
    .Input("video: float")
    .Input("taps: float")
    .Output("blurred: float")
    .SetShapeFn(ShapeOfClip);
REGISTER_KERNEL_BUILDER(Name("BraveTfBlurFrames").Device(tensorflow::DEVICE_CPU), BlurFrames);

}  // namespace
}  // namespace brave_tf
