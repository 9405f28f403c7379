// What the kernels share. Clips are (T, H, W, C), one frame after the other, and frames are independent.
#ifndef BRAVE_TF_DATA_KERNELS_FRAMES_H_
#define BRAVE_TF_DATA_KERNELS_FRAMES_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/util/work_sharder.h"

namespace brave_tf {

using tensorflow::Tensor;

// As many as a register of the machine has: of wider vectors compilers keep hardly any in registers.
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));
typedef float Pixel __attribute__((vector_size(4 * sizeof(float))));

template <typename Value>
inline Value Load(const float* from) {
  Value value;
  std::memcpy(&value, from, sizeof(Value));
  return value;
}

template <typename Value>
inline void Store(float* to, Value value) {
  std::memcpy(to, &value, sizeof(Value));
}

// Says that the output is like the first input, which has the rank of clips.
inline tensorflow::Status ShapeOfClip(tensorflow::shape_inference::InferenceContext* context) {
  tensorflow::shape_inference::ShapeHandle clip;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 4, &clip));
  context->set_output(0, clip);
  return tensorflow::OkStatus();
}

// Calls work(first, last) for ranges of frames, on as many threads as the dataset or the graph may use.
// `cost` is about how many operations one frame takes.
template <typename Work>
void ForFrames(tensorflow::OpKernelContext* context, int64_t frames, int64_t cost, Work work) {
  const auto& threads = *context->device()->tensorflow_cpu_worker_threads();
  tensorflow::Shard(threads.num_threads, threads.workers, frames, cost, work);
}

}  // namespace brave_tf

#endif  // BRAVE_TF_DATA_KERNELS_FRAMES_H_
