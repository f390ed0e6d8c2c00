// Convolution of few channels with large kernels over batches of small images, mostly of stride 1.
//
// Memory: images (channels, height, width, batch), the batch innermost. One row of an image is then one line of
// width * batch floats, and a kernel's column is a shift along it: y[o, i, j] = sum of w[o, c, ky, kx]
// x[c, i + ky, j + kx * batch] for j in 0 .. width * batch, whatever the batch is. Sums stay in registers, for four
// outputs and six vectors of j at once.
//
// With a stride, the neighbours in the one image are none in the other: the vectors then go over the batch alone, and each
// pixel has a list of the places that it reads (pixels.inc, strides.inc).
//
// Two functions serve convolution and deconvolution, forward and both gradients:
//   deepcae_correlate         outputs, and gradients to inputs (a correlation with the turned kernel)
//   deepcae_weight_gradient   gradients to kernels
// The threads are those of an OpenMP runtime that the caller has already, or one.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace {

// As ctypes passes it.
struct Geometry {
  int64_t batch, group;
  int64_t in_channels, in_h, in_w;     // of all groups; in deepcae_weight_gradient the large image
  int64_t out_channels, out_h, out_w;  // of all groups; in deepcae_weight_gradient the small image
  int64_t kernel_h, kernel_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t stride_h, stride_w;  // in pixels of the input from one output to the next
  int64_t spread_h, spread_w;  // as if the input's pixels lay so far apart, with zeros between; 1 for a weight gradient
  int64_t turned;  // w is (in_channels, out_channels / group, h, w) and turned by 180 degrees
  int64_t threads;
};

// How to walk from one place of the kernel to the next.
struct Rows {
  int64_t channels, channel_step, row_step, column_step, kernel_h, kernel_w;
  bool paired;  // the second half of the outputs is one row below the first
};

// Which part of the kernel lies on the image.
struct Window {
  int64_t y_from, y_to, x_from, x_to;
};

// Up to four outputs that are summed together: their weights (c, ky, kx, output), and where each one's row begins (null:
// below the image).
struct Outputs {
  int64_t count;
  const float *w, *bias;
  float* y[4];
};

// c (rows, columns) = a (rows, depth) b (depth, columns); b and c without gaps, a by its steps.
struct Product {
  int64_t rows, columns, depth, row_step, column_step, threads;
};

// Part of a row in which all columns see the same of the kernel.
struct Segment {
  int64_t start, length, x_from, x_to;
};

// What a product reads: from where its pixel begins in the image, and in a block's weights.
struct Place {
  int64_t x, w;
};

// Some images of a batch: so many vectors from `start` on, of which the last one starts at `last` from there.
struct Images {
  int64_t start, vectors, last;
};

// An output pixel: the sum over channels of so many places each, listed for as many channels as are taken `together`.
struct Pixel {
  const Place* places;
  int64_t per_channel, channels, together, x_step, w_step;  // the steps are a channel's
  const float* x;
  int64_t w, at;  // its first place in the weights; where it lies in an output
  const float* ahead;  // what the next pixel reads beside this one's: in so many rows of each channel so many numbers
  int64_t ahead_rows, ahead_step, ahead_length, ahead_each;  // the last: rows beside each block
};

// A block of outputs in whole vectors: their weights and biases, and where their sums (image, output) come.
struct Slots {
  const float *w, *bias;
  int64_t vectors;
  float* sums;
};

// Pixels of two images that are multiplied with each other: those of the small one are turned, with so many numbers to
// skip behind each row.
struct Grid {
  int64_t rows, columns, batch, a_skip, b_row, b_column;
};

struct Kernels {
  int64_t lanes;
  int64_t most[5];  // vectors per block, by the number of outputs
  void (*correlate)(const Rows&, const Window&, const float* x, const Outputs* outputs, int64_t count,
                    const Segment* segments, int64_t segment_count, int64_t batch);
  void (*dot)(int64_t pairs, int64_t places, const float* const* a, const float* b, int64_t step, int64_t length,
              float* const* sums);
  void (*product)(const Product&, const float* a, const float* b, float* c, int64_t from, int64_t to, int64_t start,
                  int64_t end);
  void (*pixel)(const Pixel&, const Outputs* outputs, int64_t count, const Images* images, int64_t parts, int64_t batch);
  void (*images)(const Pixel&, const Slots* blocks, int64_t count, int64_t batch, float* panel);
  void (*grid)(const Grid&, int64_t vectors, int64_t places, const float* a, const float* const* b, float* sums);
};

// Planes of `batch` numbers per place; the kernel is clipped to the image.
struct Pooling {
  int64_t planes, batch, in_h, in_w, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, mean, threads;
};

enum Activation : int64_t { kIdentity, kSigmoid, kReLU, kELU, kTanH };
enum Join : int64_t { kProduct, kSum, kGreatest };  // as Caffe's EltwiseOp
enum Rule : int64_t { kSGD, kNesterov, kAdaGrad, kRMSProp, kAdaDelta, kAdam };

// What all blobs of an update share. rest = 1 - the decay of the first history, rest2 = 1 - momentum2.
struct Update {
  int64_t rule, l1;
  double rate, correction;
  float scale, momentum, momentum2, rms_decay, delta, rest, rest2;
};

struct Elements {
  void (*activate)(int64_t kind, float slope, int64_t count, float bias, float* x, float* y);
  float (*softmax_loss)(int64_t classes, int64_t step, int64_t columns, float scale, float most, const float* x,
                        const float* t, float* dx);
  float (*activate_back)(int64_t kind, float slope, int64_t count, const float* y, float* dy);
  float (*cross_entropy)(int64_t count, float scale, const float* x, const float* t, float* dx);
  float (*squares)(int64_t count, float scale, const float* a, const float* b, float* da, float* db);
  void (*pool_max)(const Pooling&, const float* x, float* y, int32_t* place);
  void (*pool_max_back)(const Pooling&, const float* dy, const int32_t* place, float* dx);
  void (*pool_mean)(const Pooling&, const float* x, float* y);
  void (*pool_mean_back)(const Pooling&, const float* dy, float* dx);
  void (*update)(const Update&, int64_t count, double lr, float decay, float* w, float* g, float* h, float* h2,
                 float* d);
  float (*squared)(int64_t count, const float* x);
  void (*scale)(int64_t count, float factor, float shift, const float* x, float* y);
  void (*join)(int64_t kind, int64_t count, float p, float q, const float* a, const float* b, float* y);
  void (*join_back)(int64_t kind, int64_t count, const float* a, const float* b, const float* dy, float* da, float* db);
};

}  // namespace

namespace {

// `parts` as equal as can be: where the one with this index begins.
int64_t part(int64_t total, int64_t parts, int64_t index) { return total * index / parts; }

// Rows of so many numbers lie so far apart that they share the sets of a cache: an odd number of its lines.
int64_t pitch_of(int64_t length) { return ((length + 15) / 16 | 1) * 16; }

}  // namespace

// What follows may take several turns of a loop at once, whatever its pointers are called.
#if defined(__clang__)
#define EACH _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define EACH _Pragma("GCC ivdep")
#else
#define EACH
#endif

#define ISA scalar
namespace {
#include "elements.inc"
}
#undef ISA

namespace {

// One lane: what is shorter than a vector, and compilers without vector types.
namespace scalar {

void correlate(const Rows& rows, const Window& window, const float* x, const Outputs* outputs, int64_t count,
               const Segment* segments, int64_t segment_count, int64_t) {
  for (const Outputs* out = outputs; out < outputs + count; ++out)
    for (const Segment* segment = segments; segment < segments + segment_count; ++segment)
      for (int64_t o = 0; o < out->count; ++o)
        for (int64_t j = segment->start; j < segment->start + segment->length; ++j) {
          float sum = out->bias ? out->bias[o] : 0.0f;
          for (int64_t c = 0; c < rows.channels; ++c)
            for (int64_t ky = window.y_from; ky < window.y_to; ++ky)
              for (int64_t kx = segment->x_from; kx < segment->x_to; ++kx)
                sum += out->w[((c * rows.kernel_h + ky) * rows.kernel_w + kx) * out->count + o] *
                       x[c * rows.channel_step + ky * rows.row_step + kx * rows.column_step + j];
          out->y[o][j] = sum;
        }
}

void dot(int64_t pairs, int64_t places, const float* const* a, const float* b, int64_t step, int64_t length,
         float* const* sums) {
  for (int64_t p = 0; p < pairs; ++p) {
    for (int64_t k = 0; k < places; ++k) {
      float sum = 0.0f;
      for (int64_t j = 0; j < length; ++j) sum += a[p][j] * b[k * step + j];
      sums[p][k] += sum;
    }
  }
}

void product(const Product& p, const float* a, const float* b, float* c, int64_t from, int64_t to, int64_t start,
             int64_t end) {
  for (int64_t m = from; m < to; ++m) {
    for (int64_t j = start; j < end; ++j) c[m * p.columns + j] = 0.0f;
    for (int64_t k = 0; k < p.depth; ++k) {
      const float factor = a[m * p.row_step + k * p.column_step];
      EACH for (int64_t j = start; j < end; ++j) c[m * p.columns + j] += factor * b[k * p.columns + j];
    }
  }
}

void pixel(const Pixel& p, const Outputs* outputs, int64_t count, const Images*, int64_t, int64_t batch) {
  for (const Outputs* out = outputs; out < outputs + count; ++out)
    for (int64_t o = 0; o < out->count; ++o) {
      float* y = out->y[o] + p.at;
      for (int64_t n = 0; n < batch; ++n) y[n] = out->bias ? out->bias[o] : 0.0f;
      for (int64_t c = 0; c < p.channels; ++c)
        for (int64_t k = 0; k < p.per_channel; ++k) {
          const float* x = p.x + c * p.x_step + p.places[k].x;
          const float factor = out->w[p.w + c * p.w_step + p.places[k].w + o];
          EACH for (int64_t n = 0; n < batch; ++n) y[n] += factor * x[n];
        }
    }
}

void images(const Pixel& p, const Slots* blocks, int64_t count, int64_t batch, float*) {
  for (const Slots* to = blocks; to < blocks + count; ++to)
    for (int64_t n = 0; n < batch; ++n) {
      float* sums = to->sums + n * to->vectors;
      std::copy(to->bias, to->bias + to->vectors, sums);
      for (int64_t c = 0; c < p.channels; ++c)
        for (int64_t k = 0; k < p.per_channel; ++k) {
          const float factor = p.x[c * p.x_step + p.places[k].x + n], *w = to->w + p.w + c * p.w_step + p.places[k].w;
          for (int64_t v = 0; v < to->vectors; ++v) sums[v] += factor * w[v];
        }
    }
}

void grid(const Grid& g, int64_t vectors, int64_t places, const float* a, const float* const* b, float* sums) {
  for (int64_t row = 0; row < g.rows; ++row, a += g.a_skip)
    for (int64_t column = 0; column < g.columns; ++column)
      for (int64_t n = 0; n < g.batch; ++n, a += vectors)
        for (int64_t k = 0; k < places; ++k) {
          const float factor = b[k][row * g.b_row + column * g.b_column + n];
          for (int64_t v = 0; v < vectors; ++v) sums[k * vectors + v] += factor * a[v];
        }
}

const Kernels kernels = {1, {0, 64, 64, 64, 64}, correlate, dot, product, pixel, images, grid};

}  // namespace scalar
}  // namespace

#if defined(__GNUC__)
namespace {
#if defined(__x86_64__)
#define ISA avx512
#define LANES 16
#define SUMS 24
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,fma,prefer-vector-width=512")
#endif
#include "kernels.inc"
#include "pixels.inc"
#include "elements.inc"
#undef ISA
#undef LANES
#undef SUMS
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define ISA avx2
#define LANES 8
#define SUMS 12
#include "kernels.inc"
#include "pixels.inc"
#include "elements.inc"
#undef ISA
#undef LANES
#undef SUMS
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#define ISA baseline
#define LANES 4
#if defined(__aarch64__)
#define SUMS 24
#else
#define SUMS 12
#endif
#include "kernels.inc"
#include "pixels.inc"
#include "elements.inc"
#undef ISA
#undef LANES
#undef SUMS
}  // namespace
#endif

namespace {

struct Choice {
  const char* name;
  const Kernels* kernels;
  const Elements* elements;
};

// The instruction sets that this machine has, the best first.
int available(Choice* choices) {
  int count = 0;
#if defined(__GNUC__)
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) choices[count++] = {"avx512", &avx512::kernels, &avx512::elements};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) choices[count++] = {"avx2", &avx2::kernels, &avx2::elements};
  choices[count++] = {"sse2", &baseline::kernels, &baseline::elements};
#elif defined(__aarch64__)
  choices[count++] = {"neon", &baseline::kernels, &baseline::elements};
#else
  choices[count++] = {"vectors of 4", &baseline::kernels, &baseline::elements};
#endif
#endif
  choices[count++] = {"scalar", &scalar::kernels, &scalar::elements};
  return count;
}

struct Machine {
  Choice choices[4];
  int count = available(choices), first = 0;

  const Elements& elements() const { return *choices[first].elements; }

  // The best whose vectors are not longer than a row.
  const Kernels& kernels(int64_t line) const {
    int index = first;
    while (index + 1 < count && choices[index].kernels->lanes > line) ++index;
    return *choices[index].kernels;
  }
};

Machine machine;

using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
using Number = int (*)();
Parallel gomp_parallel = nullptr;
Number thread_number = nullptr, thread_count = nullptr;

// body(thread, threads), in as many threads as the runtime gives.
template <typename Body>
void in_threads(int64_t threads, const Body& body) {
  if (threads <= 1 || !gomp_parallel) return body(0, 1);
  gomp_parallel([](void* data) { (*static_cast<const Body*>(data))(thread_number(), thread_count()); },
                const_cast<Body*>(&body), unsigned(threads), 0);
}

int64_t ceil_div(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }
int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// The k in 0 .. kernel with 0 <= at + k * dilation < size.
void inside(int64_t at, int64_t kernel, int64_t dilation, int64_t size, int64_t* from, int64_t* to) {
  *from = std::min(kernel, std::max<int64_t>(0, ceil_div(-at, dilation)));
  *to = std::max(*from, std::min(kernel, floor_div(size - 1 - at, dilation) + 1));
}

// The images with `guard` zeros before and behind each row.
std::vector<float> guarded(const float* images, int64_t rows, int64_t length, int64_t guard) {
  std::vector<float> copy(size_t(rows * (length + 2 * guard)), 0.0f);
  for (int64_t row = 0; row < rows; ++row)
    std::memcpy(copy.data() + row * (length + 2 * guard) + guard, images + row * length, size_t(length) * sizeof(float));
  return copy;
}

// The output row in segments of one window each. Where columns are shorter than a vector and see different parts of
// the kernel, they share segments that see all their parts: then the input must be guarded.
std::vector<Segment> segments_of(const Geometry& g, int64_t lanes, int64_t longest, bool* needs_guard) {
  std::vector<Segment> segments;
  for (int64_t x = 0; x < g.out_w; ++x) {
    int64_t from, to;
    inside(x - g.pad_w, g.kernel_w, g.dilation_w, g.in_w, &from, &to);
    if (from == to) from = to = 0;
    if (!segments.empty() && segments.back().x_from == from && segments.back().x_to == to)
      segments.back().length += g.batch;
    else
      segments.push_back({x * g.batch, g.batch, from, to});
  }
  *needs_guard = segments.size() > 1 && g.batch < lanes;
  if (!*needs_guard) return segments;
  std::vector<Segment> shared;
  const int64_t total = g.out_w * g.batch, count = (total + longest - 1) / longest;
  for (int64_t index = 0; index < count; ++index) {
    const int64_t start = part(total, count, index), end = part(total, count, index + 1);
    Segment segment = {start, end - start, g.kernel_w, 0};
    for (const Segment& exact : segments) {
      if (exact.start >= end || exact.start + exact.length <= start || exact.x_from == exact.x_to) continue;
      segment.x_from = std::min(segment.x_from, exact.x_from);
      segment.x_to = std::max(segment.x_to, exact.x_to);
    }
    segment.x_from = std::min(segment.x_from, segment.x_to);
    shared.push_back(segment);
  }
  return shared;
}

// Outputs in blocks of at most four, those of a group together; their weights (block, c, ky, kx, output in the block).
// One or two outputs are taken for two rows at once, so that what is loaded serves four sums: the kernel is then one row
// longer, and its first half has zeros in the last row, its second half in the first.
struct Packed {
  bool paired;
  int64_t kernel_h;
  std::vector<int64_t> starts;  // of the blocks, with the end
  std::vector<float> weights;
};

Packed pack(const Geometry& g, const float* w, bool may_pair) {
  Packed packed;
  const int64_t ins = g.in_channels / g.group, outs = g.out_channels / g.group, area = g.kernel_h * g.kernel_w;
  packed.paired = may_pair && outs <= 2 && g.dilation_h == 1 && g.out_h > 1;
  const int64_t halves = packed.paired ? 2 : 1, blocks = (outs + 3) / 4;
  packed.kernel_h = g.kernel_h + halves - 1;
  const int64_t long_area = packed.kernel_h * g.kernel_w;
  packed.weights.assign(size_t(g.out_channels * ins * long_area * halves), 0.0f);
  float* block_weights = packed.weights.data();
  for (int64_t group = 0; group < g.group; ++group) {
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t from = part(outs, blocks, block), to = part(outs, blocks, block + 1), width = (to - from) * halves;
      packed.starts.push_back(group * outs + from);
      for (int64_t c = 0; c < ins; ++c, block_weights += long_area * width)
        for (int64_t half = 0; half < halves; ++half)
          for (int64_t o = from; o < to; ++o) {
            const float* kernel = w + (g.turned ? (group * ins + c) * outs + o : (group * outs + o) * ins + c) * area;
            float* into = block_weights + half * g.kernel_w * width + half * (to - from) + o - from;
            for (int64_t k = 0; k < area; ++k) into[k * width] = kernel[g.turned ? area - 1 - k : k];
          }
    }
  }
  packed.starts.push_back(g.out_channels);
  return packed;
}

void correlate(const Geometry& g, const float* x, const float* w, const float* bias, float* y) {
  const int64_t line = g.out_w * g.batch, ins = g.in_channels / g.group;
  const Kernels& kernels = machine.kernels(line);
  const Packed packed = pack(g, w, kernels.lanes > 1);
  const int64_t longest = kernels.lanes * kernels.most[4];
  bool needs_guard;
  const std::vector<Segment> segments = segments_of(g, kernels.lanes, longest, &needs_guard);
  const int64_t guard = needs_guard ? longest + g.batch : 0;
  std::vector<float> copy;
  if (needs_guard) {
    copy = guarded(x, g.in_channels * g.in_h, g.in_w * g.batch, guard);
    x = copy.data();
  }
  const int64_t pitch = g.in_w * g.batch + 2 * guard;
  const Rows rows = {ins, g.in_h * pitch, g.dilation_h * pitch, g.dilation_w * g.batch, packed.kernel_h, g.kernel_w,
                     packed.paired};
  const int64_t halves = packed.paired ? 2 : 1, steps = (g.out_h + halves - 1) / halves;
  const int64_t per_output = ins * packed.kernel_h * g.kernel_w * halves;
  // A task: a row of some blocks of outputs, of one group: all, where there are rows enough for all threads.
  const int64_t blocks = (int64_t(packed.starts.size()) - 1) / g.group;
  const int64_t shares = std::min(blocks, g.threads > 1 ? (8 * g.threads + steps - 1) / steps : 1);
  std::atomic<int64_t> next(0);
  in_threads(g.threads, [&](int64_t, int64_t) {
    std::vector<Outputs> outputs(size_t(blocks), Outputs{});
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < g.group * shares * steps;) {
      const int64_t share = task % shares, group = task / shares % g.group, row = task / shares / g.group * halves;
      const int64_t first = group * blocks + part(blocks, shares, share);
      const int64_t count = group * blocks + part(blocks, shares, share + 1) - first;
      for (int64_t block = 0; block < count; ++block) {
        const int64_t o = packed.starts[size_t(first + block)], wide = packed.starts[size_t(first + block) + 1] - o;
        Outputs& into = outputs[size_t(block)];
        into = {wide * halves, packed.weights.data() + o * per_output, bias ? bias + o : nullptr, {}};
        for (int64_t half = 0; half < halves && row + half < g.out_h; ++half)
          for (int64_t k = 0; k < wide; ++k) into.y[half * wide + k] = y + ((o + k) * g.out_h + row + half) * line;
      }
      Window window = {0, 0, 0, 0};
      inside(row - g.pad_h, packed.kernel_h, g.dilation_h, g.in_h, &window.y_from, &window.y_to);
      // Of the place that `at` names, which may lie before the image, only the window's part is read.
      const int64_t at = (group * ins * g.in_h + row - g.pad_h) * pitch + guard - g.pad_w * g.batch;
      const auto from = reinterpret_cast<intptr_t>(x) + at * intptr_t(sizeof(float));
      kernels.correlate(rows, window, reinterpret_cast<const float*>(from), outputs.data(), count, segments.data(),
                        int64_t(segments.size()), g.batch);
    }
  });
}

// Part of the gradient that one thread sums at a time: some outputs, rows and columns of the kernel, of one channel.
struct Task {
  int64_t channel, out_from, out_to, y_from, y_to, x_from, x_to;
};

// Those of some outputs and a channel beside one another, then the other channels: so the small image's part is read again
// while a cache still holds it.
std::vector<Task> tasks_of(const Geometry& g, const Kernels& kernels) {
  std::vector<Task> tasks;
  const int64_t ins = g.in_channels / g.group, outs = g.out_channels / g.group, out_blocks = (outs + 3) / 4;
  const int64_t together = std::min(g.kernel_h, outs < 3 ? 4 / outs : 1), places = kernels.most[4];
  const int64_t y_blocks = (g.kernel_h + together - 1) / together, x_blocks = (g.kernel_w + places - 1) / places;
  for (int64_t group = 0; group < g.group; ++group)
    for (int64_t out = 0; out < out_blocks; ++out)
      for (int64_t channel = group * ins; channel < (group + 1) * ins; ++channel)
        for (int64_t ky = 0; ky < y_blocks; ++ky)
          for (int64_t kx = 0; kx < x_blocks; ++kx)
            tasks.push_back({channel, group * outs + part(outs, out_blocks, out),
                             group * outs + part(outs, out_blocks, out + 1), part(g.kernel_h, y_blocks, ky),
                             part(g.kernel_h, y_blocks, ky + 1), part(g.kernel_w, x_blocks, kx),
                             part(g.kernel_w, x_blocks, kx + 1)});
  return tasks;
}

constexpr int64_t kPairs = 4;  // the most that a task has

// Adds row `row` of the task's channel, columns j .. j + length of the small image, to the task's sums.
void add_row(const Geometry& g, const Kernels& kernels, const Task& task, const float* small, const float* large_row,
             int64_t row, int64_t j, int64_t length, float* sums) {
  const float* a[kPairs];
  float* into[kPairs];
  int64_t pairs = 0, pair = 0;
  const int64_t width = task.x_to - task.x_from, line = g.out_w * g.batch;
  for (int64_t ky = task.y_from; ky < task.y_to; ++ky) {
    const int64_t i = row + g.pad_h - ky * g.dilation_h;
    for (int64_t o = task.out_from; o < task.out_to; ++o, ++pair) {
      if (i < 0 || i >= g.out_h) continue;
      a[pairs] = small + (o * g.out_h + i) * line + j;
      into[pairs++] = sums + pair * width * kernels.lanes;
    }
  }
  const int64_t step = g.dilation_w * g.batch;
  if (pairs) kernels.dot(pairs, width, a, large_row + task.x_from * step + j, step, length, into);
}

void weight_gradient(const Geometry& g, const float* large, const float* small, float* dw) {
  const int64_t line = g.out_w * g.batch, guard = g.pad_w * g.batch;
  const Kernels& kernels = machine.kernels(line);
  std::vector<float> copy;
  if (guard) {
    copy = guarded(large, g.in_channels * g.in_h, g.in_w * g.batch, guard);
    large = copy.data();
  }
  const int64_t pitch = g.in_w * g.batch + 2 * guard, lanes = kernels.lanes;
  const std::vector<Task> tasks = tasks_of(g, kernels);
  const int64_t count = int64_t(tasks.size()), ins = g.in_channels / g.group;
  const int64_t per_task = kPairs * std::min(kernels.most[4], g.kernel_w) * lanes;
  std::vector<float> all_sums(size_t(count * per_task), 0.0f);
  const int64_t chunk = std::max<int64_t>(lanes, 2048);  // rows of four outputs stay in the first cache
  in_threads(g.threads, [&](int64_t thread, int64_t threads) {
    const int64_t from = part(count, threads, thread), to = part(count, threads, thread + 1);
    for (int64_t first = from, end; first < to; first = end) {
      const Task& like = tasks[size_t(first)];
      const auto is_like = [&](const Task& task) { return task.channel == like.channel && task.out_from == like.out_from; };
      for (end = first; end < to && is_like(tasks[size_t(end)]);) ++end;
      for (int64_t row = 0; row < g.in_h; ++row) {
        const float* large_row = large + (like.channel * g.in_h + row) * pitch;
        for (int64_t j = 0; j < line; j += chunk)
          for (int64_t task = first; task < end; ++task)
            add_row(g, kernels, tasks[size_t(task)], small, large_row, row, j, std::min(chunk, line - j),
                    all_sums.data() + task * per_task);
      }
    }
    for (int64_t index = from; index < to; ++index) {
      const Task& task = tasks[size_t(index)];
      const float* sums = all_sums.data() + index * per_task;
      for (int64_t ky = task.y_from; ky < task.y_to; ++ky)
        for (int64_t o = task.out_from; o < task.out_to; ++o)
          for (int64_t kx = task.x_from; kx < task.x_to; ++kx, sums += lanes) {
            float sum = 0.0f;
            for (int64_t lane = 0; lane < lanes; ++lane) sum += sums[lane];
            dw[((o * ins + task.channel % ins) * g.kernel_h + ky) * g.kernel_w + kx] = sum;
          }
    }
  });
}

}  // namespace

#include "transpose.inc"
#include "strides.inc"
#include "outputs.inc"

// Whether the sizes are those that this file was built with, and in this order.
EXPORT int64_t deepcae_version() { return 3; }

// The name of the instruction set in use; with a name that this machine has, that one from now on.
EXPORT const char* deepcae_instructions(const char* name) {
  for (int index = 0; name && index < machine.count; ++index)
    if (!std::strcmp(machine.choices[index].name, name)) machine.first = index;
  return machine.choices[machine.first].name;
}

// The OpenMP runtime whose threads are used: GOMP_parallel, omp_get_thread_num, omp_get_num_threads.
EXPORT void deepcae_threads(void* parallel, void* number, void* count) {
  gomp_parallel = reinterpret_cast<Parallel>(parallel);
  thread_number = reinterpret_cast<Number>(number);
  thread_count = reinterpret_cast<Number>(count);
}

// y = x correlated with w, plus bias (null for none). 0, or 1 where the memory does not suffice.
EXPORT int deepcae_correlate(const Geometry* geometry, const float* x, const float* w, const float* bias, float* y) {
  try {
    const Geometry& g = *geometry;
    (has_many_outputs(g) ? correlate_outputs : has_strides(g) ? correlate_pixels : correlate)(g, x, w, bias, y);
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

// dw[o, c, ky, kx] = sum of small[o, i, j] large[c, i stride + ky, j stride + kx]. 0, or 1 where the memory does not suffice.
EXPORT int deepcae_weight_gradient(const Geometry* geometry, const float* large, const float* small, float* dw) {
  try {
    (has_gradient_by_outputs(*geometry) ? weight_gradient_by_outputs : weight_gradient)(*geometry, large, small, dw);
    return 0;
  } catch (const std::bad_alloc&) {
    return 1;
  }
}

#include "steps.inc"
