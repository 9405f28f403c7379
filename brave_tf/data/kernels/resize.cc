// Bilinear resizing of bytes to numbers, with half-pixel centres and without antialiasing.

#include <cmath>
#include <vector>

#include "frames.h"

namespace brave_tf {
namespace {

// Each pixel of the result lies between two of the input, at `weight` of the way from `low` to `high`, which are
// numbers of pixels times `values`.
struct Places {
  Places(int in, int out, int values) : low(out), high(out), weight(out) {
    const float step = static_cast<float>(in) / static_cast<float>(out);
    for (int i = 0; i < out; ++i) {
      // Rounded before the subtraction, as in TensorFlow's own resize; compilers would join the two.
      const volatile float scaled = (i + 0.5f) * step;
      const float place = scaled - 0.5f;
      const float floor = std::floor(place);
      low[i] = values * std::max(static_cast<int>(floor), 0);
      high[i] = values * std::min(static_cast<int>(std::ceil(place)), in - 1);
      weight[i] = place - floor;
    }
  }
  std::vector<int64_t> low, high;
  std::vector<float> weight;
};

// Rows of one frame, resized to the new width. Two are kept: those that the next row is likely to lie between.
class Rows {
 public:
  Rows(const Places& columns, int width, float scale)
      : columns_(columns), width_(width), scale_(scale), numbers_(3 * width + 1) {
    for (auto& row : kept_) row.resize(3 * columns.low.size() + 1);
  }

  void Start(const uint8_t* frame) {
    frame_ = frame;
    numbers_of_[0] = numbers_of_[1] = -1;
  }

  // Returns a row; the row with number `other` stays what it is.
  const float* Get(int number, int other) {
    for (int i = 0; i < 2; ++i) {
      if (numbers_of_[i] == number) return kept_[i].data();
    }
    const int place = numbers_of_[0] == other ? 1 : 0;
    numbers_of_[place] = number;
    Fill(frame_ + static_cast<int64_t>(number) * width_ * 3, kept_[place].data());
    return kept_[place].data();
  }

 private:
  void Fill(const uint8_t* bytes, float* row) {
    float* numbers = numbers_.data();
    const float scale = scale_;
    const int values = 3 * width_;
    for (int i = 0; i < values; ++i) numbers[i] = bytes[i] * scale;
    const int64_t *lows = columns_.low.data(), *highs = columns_.high.data();
    const float* weights = columns_.weight.data();
    const int count = columns_.low.size();
    for (int i = 0; i < count; ++i) {
      // Red, green, blue, and a fourth value that the next pixel overwrites.
      const Pixel low = Load<Pixel>(numbers + lows[i]);
      const Pixel high = Load<Pixel>(numbers + highs[i]);
      Store(row + 3 * i, low + (high - low) * weights[i]);
    }
  }

  const Places& columns_;
  const int width_;
  const float scale_;
  const uint8_t* frame_ = nullptr;
  std::vector<float> numbers_, kept_[2];
  int numbers_of_[2];
};

class ResizeFrames : public tensorflow::OpKernel {
 public:
  explicit ResizeFrames(tensorflow::OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("highest", &highest_));
  }

  void Compute(tensorflow::OpKernelContext* context) override {
    tensorflow::OpInputList parts;
    OP_REQUIRES_OK(context, context->input_list("parts", &parts));
    const Tensor& size = context->input(parts.size());
    const int64_t old_height = parts[0].dims() == 4 ? parts[0].dim_size(1) : 0;
    const int64_t old_width = parts[0].dims() == 4 ? parts[0].dim_size(2) : 0;
    std::vector<const uint8_t*> frames;
    for (const Tensor& part : parts) {
      OP_REQUIRES(context,
                  part.NumElements() > 0 &&
                      part.shape() == tensorflow::TensorShape({part.dim_size(0), old_height, old_width, 3}),
                  tensorflow::errors::InvalidArgument(
                      "expected pixels (T, H, W, 3) of one size, not ", part.shape().DebugString()));
      for (int64_t i = 0; i < part.dim_size(0); ++i) {
        frames.push_back(part.flat<uint8_t>().data() + i * old_height * old_width * 3);
      }
    }
    OP_REQUIRES(context, size.NumElements() == 2,
                tensorflow::errors::InvalidArgument("expected a height and a width, not ",
                                                    size.shape().DebugString()));
    const int height = size.flat<int32_t>()(0), width = size.flat<int32_t>()(1);
    OP_REQUIRES(context, height > 0 && width > 0,
                tensorflow::errors::InvalidArgument("cannot resize to ", height, " x ", width));
    const int64_t count = frames.size();
    Tensor* resized = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {count, height, width, 3}, &resized));
    float* to = resized->flat<float>().data();
    const Places lines(old_height, height, 1), columns(old_width, width, 3);
    const int64_t length = 3 * width;
    ForFrames(context, count, 4 * height * length, [&](int64_t first, int64_t last) {
      Rows rows(columns, old_width, highest_ / 255.0f);
      for (int64_t frame = first; frame < last; ++frame) {
        rows.Start(frames[frame]);
        for (int i = 0; i < height; ++i) {
          const float* low = rows.Get(lines.low[i], lines.high[i]);
          const float* high = rows.Get(lines.high[i], lines.low[i]);
          const float weight = lines.weight[i];
          float* line = to + (frame * height + i) * length;
          for (int64_t j = 0; j < length; ++j) line[j] = low[j] + (high[j] - low[j]) * weight;
        }
      }
    });
  }

 private:
  float highest_;
};

REGISTER_OP("BraveTfResizeFrames")
    .Input("parts: N * uint8")  // Of one clip, along its time.
    .Input("size: int32")
    .Attr("N: int >= 1")
    .Attr("highest: float")
    .Output("frames: float")
    .SetShapeFn([](tensorflow::shape_inference::InferenceContext* context) {
      const int parts = context->num_inputs() - 1;
      tensorflow::shape_inference::ShapeHandle part, size, frames;
      tensorflow::shape_inference::DimensionHandle count = context->MakeDim(0);
      for (int i = 0; i < parts; ++i) {
        TF_RETURN_IF_ERROR(context->WithRank(context->input(i), 4, &part));
        TF_RETURN_IF_ERROR(context->Add(count, context->Dim(part, 0), &count));
      }
      TF_RETURN_IF_ERROR(context->MakeShapeFromShapeTensor(parts, &size));
      TF_RETURN_IF_ERROR(context->Concatenate(context->Vector(count), size, &frames));
      TF_RETURN_IF_ERROR(context->Concatenate(frames, context->Vector(3), &frames));
      context->set_output(0, frames);
      return tensorflow::OkStatus();
    });
REGISTER_KERNEL_BUILDER(Name("BraveTfResizeFrames").Device(tensorflow::DEVICE_CPU), ResizeFrames);

}  // namespace
}  // namespace brave_tf
