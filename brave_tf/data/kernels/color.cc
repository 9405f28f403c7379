// Changes of colour, pixel by pixel: of saturation and hue in HSV, or by a matrix.

#include <cmath>

#include "frames.h"

namespace brave_tf {
namespace {

constexpr int kPixels = 512;   // So many at a time stay in the first cache.
constexpr int kSums = 16;
constexpr float kTiny = 1e-20f;  // Below every difference of colours, above 0.

// Colours of pixels, apart: compilers have vector code for these, and hardly any for colours that take turns.
struct Planes {
  float red[kPixels], green[kPixels], blue[kPixels];
};

inline float Max(float a, float b) { return a > b ? a : b; }
inline float Min(float a, float b) { return a < b ? a : b; }

// Changes pixels by change(planes, count), for some of them at a time. `out` may be `in`.
template <typename Change>
void ForPlanes(const float* in, float* out, int64_t pixels, Change change) {
  Planes planes;
  for (int64_t start = 0; start < pixels; start += kPixels) {
    const int count = std::min<int64_t>(kPixels, pixels - start);
    const float* from = in + 3 * start;
    for (int i = 0; i < count; ++i) {
      planes.red[i] = from[3 * i];
      planes.green[i] = from[3 * i + 1];
      planes.blue[i] = from[3 * i + 2];
    }
    change(planes, count);
    float* to = out + 3 * start;
    for (int i = 0; i < count; ++i) {
      to[3 * i] = planes.red[i];
      to[3 * i + 1] = planes.green[i];
      to[3 * i + 2] = planes.blue[i];
    }
  }
}

// Adds up in kSums parts, on every machine in the same order, and so to the same sum.
double Sum(const float* values, int count) {
  Lanes sums[kSums / kLanes] = {};
  int i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int part = 0; part < kSums / kLanes; ++part) {
      sums[part] += Load<Lanes>(values + i + part * kLanes);
    }
  }
  double sum = 0;
  for (int part = 0; part < kSums; ++part) sum += sums[part / kLanes][part % kLanes];
  for (; i < count; ++i) sum += values[i];
  return sum;
}

// Adds to the brightness, then scales (max - min) / max of each pixel, at most to 1; max stays what it is.
// Adds up the colours of what comes out.
void Saturate(Planes& planes, int count, float brightness, float factor, double sums[3]) {
  for (int i = 0; i < count; ++i) {
    const float red = planes.red[i] + brightness;
    const float green = planes.green[i] + brightness;
    const float blue = planes.blue[i] + brightness;
    const float highest = Max(Max(red, green), blue);
    const float chroma = highest - Min(Min(red, green), blue);
    const float by = Max(Min(factor, highest / Max(chroma, kTiny)), 0.0f);
    planes.red[i] = highest - (highest - red) * by;
    planes.green[i] = highest - (highest - green) * by;
    planes.blue[i] = highest - (highest - blue) * by;
  }
  sums[0] += Sum(planes.red, count);
  sums[1] += Sum(planes.green, count);
  sums[2] += Sum(planes.blue, count);
}

// The colour whose hue lies `circles` from red, shifted so that it falls from `highest` as HSV's hexagon does.
inline float OnHexagon(float circles, float highest, float chroma) {
  const float at = 6.0f * (circles - std::floor(circles));
  const float share = Max(Min(Min(at, 4.0f - at), 1.0f), 0.0f);
  return Max(Min(highest - chroma * share, 1.0f), 0.0f);
}

// Scales the contrast relative to `means`, turns the hue, and clips; max and min of each pixel stay.
void Turn(Planes& planes, int count, const float means[3], float contrast, float hue) {
  const float mean_red = means[0], mean_green = means[1], mean_blue = means[2];
  for (int i = 0; i < count; ++i) {
    const float red = (planes.red[i] - mean_red) * contrast + mean_red;
    const float green = (planes.green[i] - mean_green) * contrast + mean_green;
    const float blue = (planes.blue[i] - mean_blue) * contrast + mean_blue;
    const float highest = Max(Max(red, green), blue);
    const float chroma = highest - Min(Min(red, green), blue);
    const float scale = 1.0f / Max(chroma, kTiny);
    const float of_red = (green - blue) * scale;
    const float of_green = 2.0f + (blue - red) * scale;
    const float of_blue = 4.0f + (red - green) * scale;
    const float of_others = green >= blue ? of_green : of_blue;
    const float sixths = (red >= green) & (red >= blue) ? of_red : of_others;
    const float circles = sixths * (1.0f / 6.0f) + hue;
    planes.red[i] = OnHexagon(circles + 5.0f / 6.0f, highest, chroma);
    planes.green[i] = OnHexagon(circles + 3.0f / 6.0f, highest, chroma);
    planes.blue[i] = OnHexagon(circles + 1.0f / 6.0f, highest, chroma);
  }
}

// Multiplies (red, green, blue) by a (3, 3) matrix from the right and adds a bias.
void Mix(Planes& planes, int count, const float* matrix, const float* bias) {
  const float m[9] = {matrix[0], matrix[1], matrix[2], matrix[3], matrix[4],
                      matrix[5], matrix[6], matrix[7], matrix[8]};
  const float b[3] = {bias[0], bias[1], bias[2]};
  for (int i = 0; i < count; ++i) {
    const float red = planes.red[i], green = planes.green[i], blue = planes.blue[i];
    planes.red[i] = red * m[0] + green * m[3] + blue * m[6] + b[0];
    planes.green[i] = red * m[1] + green * m[4] + blue * m[7] + b[1];
    planes.blue[i] = red * m[2] + green * m[5] + blue * m[8] + b[2];
  }
}

// Calls change(number, frame, changed) for each frame of a clip in colour.
template <typename Change>
void ChangeFrames(tensorflow::OpKernelContext* context, int64_t cost, Change change) {
  const Tensor& video = context->input(0);
  OP_REQUIRES(context, video.dims() == 4 && video.dim_size(3) == 3,
              tensorflow::errors::InvalidArgument("expected a video (T, H, W, 3), not ",
                                                  video.shape().DebugString()));
  Tensor* changed = nullptr;
  OP_REQUIRES_OK(context,
                 context->forward_input_or_allocate_output({0}, 0, video.shape(), &changed));
  if (video.NumElements() == 0) return;
  const int64_t values = video.NumElements() / video.dim_size(0);
  const float* from = video.flat<float>().data();
  float* to = changed->flat<float>().data();
  ForFrames(context, video.dim_size(0), cost * values, [&](int64_t first, int64_t last) {
    for (int64_t frame = first; frame < last; ++frame) {
      change(frame, values / 3, from + frame * values, to + frame * values);
    }
  });
}

class ChangeColor : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(tensorflow::OpKernelContext* context) override {
    const Tensor& changes = context->input(1);
    OP_REQUIRES(context, changes.NumElements() == 4,
                tensorflow::errors::InvalidArgument("expected four changes, not ",
                                                    changes.shape().DebugString()));
    const float* by = changes.flat<float>().data();
    const float brightness = by[0], saturation = by[1], contrast = by[2], hue = by[3];
    ChangeFrames(context, 5, [=](int64_t, int64_t pixels, const float* from, float* to) {
      double sums[3] = {};
      ForPlanes(from, to, pixels, [&](Planes& planes, int count) {
        Saturate(planes, count, brightness, saturation, sums);
      });
      float means[3];
      for (int i = 0; i < 3; ++i) means[i] = sums[i] / pixels;
      ForPlanes(to, to, pixels,
                [&](Planes& planes, int count) { Turn(planes, count, means, contrast, hue); });
    });
  }
};

class MixColors : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(tensorflow::OpKernelContext* context) override {
    const Tensor& matrix = context->input(1);
    const Tensor& bias = context->input(2);
    const int64_t frames = context->input(0).dim_size(0);
    OP_REQUIRES(context, matrix.NumElements() == 9 && bias.NumElements() == 3 * frames,
                tensorflow::errors::InvalidArgument(
                    "expected a matrix (3, 3) and a bias (", frames, ", 3), not ",
                    matrix.shape().DebugString(), " and ", bias.shape().DebugString()));
    const float* by = matrix.flat<float>().data();
    const float* add = bias.flat<float>().data();
    ChangeFrames(context, 2, [=](int64_t frame, int64_t pixels, const float* from, float* to) {
      ForPlanes(from, to, pixels,
                [&](Planes& planes, int count) { Mix(planes, count, by, add + 3 * frame); });
    });
  }
};

REGISTER_OP("BraveTfChangeColor")
    .Input("video: float")
    .Input("changes: float")
    .Output("changed: float")
    .SetShapeFn(ShapeOfClip);
REGISTER_KERNEL_BUILDER(Name("BraveTfChangeColor").Device(tensorflow::DEVICE_CPU), ChangeColor);

REGISTER_OP("BraveTfMixColors")
    .Input("video: float")
    .Input("matrix: float")
    .Input("bias: float")
    .Output("mixed: float")
    .SetShapeFn(ShapeOfClip);
REGISTER_KERNEL_BUILDER(Name("BraveTfMixColors").Device(tensorflow::DEVICE_CPU), MixColors);

}  // namespace
}  // namespace brave_tf
