// The compiled core without Python: every instruction set that this machine has against loops in double precision, on
// random shapes, in one thread and in three. For compilers and machines where the tests in Python cannot run:
//
//   make portable                                                                      this machine's compiler
//   make portable CXX=clang++
//   make portable CXX=aarch64-linux-gnu-g++ LAUNCH="qemu-aarch64 -L /usr/aarch64-linux-gnu"
//   make portable CXX="x86_64-w64-mingw32-g++-posix -static" LAUNCH=wine64
//   make portable CXX="g++ -fsanitize=thread -g"

#include "../../src/deepcae/kernels/core/core.cpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

namespace {

std::mt19937 generator(1);

int64_t from_to(int64_t low, int64_t high) { return low + int64_t(generator() % uint64_t(high - low + 1)); }

std::vector<float> values(int64_t count) {
  std::vector<float> made(static_cast<size_t>(count));
  for (float& value : made) value = float(generator() % 20001) / 10000.0f - 1.0f;
  return made;
}

// A runtime of threads as OpenMP's.
thread_local int own_number = 0, own_count = 1;
int get_number() { return own_number; }
int get_count() { return own_count; }
void in_parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
  std::vector<std::thread> team;
  for (unsigned index = 0; index < threads; ++index)
    team.emplace_back([=] {
      own_number = int(index), own_count = int(threads);
      body(data);
    });
  for (std::thread& member : team) member.join();
}

// f(output, channel within the group, channel, place in w, place in x, place in y) for every product of a correlation.
template <typename Visit>
void products(const Geometry& g, const Visit& visit) {
  const int64_t ins = g.in_channels / g.group, outs = g.out_channels / g.group, area = g.kernel_h * g.kernel_w;
  for (int64_t o = 0; o < g.out_channels; ++o)
    for (int64_t c = 0; c < ins; ++c)
      for (int64_t k = 0; k < area; ++k)
        for (int64_t i = 0; i < g.out_h; ++i)
          for (int64_t j = 0; j < g.out_w; ++j) {
            const int64_t channel = o / outs * ins + c, row = i - g.pad_h + k / g.kernel_w * g.dilation_h;
            const int64_t column = j - g.pad_w + k % g.kernel_w * g.dilation_w;
            if (row < 0 || row >= g.in_h || column < 0 || column >= g.in_w) continue;
            const int64_t w = g.turned ? (channel * outs + o % outs) * area + area - 1 - k : (o * ins + c) * area + k;
            for (int64_t n = 0; n < g.batch; ++n)
              visit(w, ((channel * g.in_h + row) * g.in_w + column) * g.batch + n,
                    ((o * g.out_h + i) * g.out_w + j) * g.batch + n);
          }
}

struct Sums {
  std::vector<double> sum, size;  // of the products, and of their absolute values
  explicit Sums(size_t count) : sum(count), size(count) {}
  void add(int64_t at, double product) { sum[size_t(at)] += product, size[size_t(at)] += std::fabs(product); }
};

void compare(const char* what, const char* name, const Geometry& g, const Sums& expected, const std::vector<float>& got) {
  for (size_t at = 0; at < got.size(); ++at) {
    if (std::fabs(got[at] - expected.sum[at]) <= 1e-5 * expected.size[at] + 1e-30) continue;
    std::printf("%s by %s: %g in place of %g at %zu; sizes", what, name, double(got[at]), expected.sum[at], at);
    for (size_t field = 0; field < sizeof(g) / sizeof(int64_t); ++field)
      std::printf(" %lld", static_cast<long long>(reinterpret_cast<const int64_t*>(&g)[field]));
    std::printf("\n");
    std::exit(1);
  }
}

// Sizes as they come; with nothing left of the image, false.
bool draw(Geometry& g) {
  g.batch = from_to(0, 2) ? from_to(1, 9) : from_to(1, 70);
  g.group = from_to(0, 3) ? 1 : from_to(2, 3);
  g.in_channels = g.group * from_to(1, 4), g.out_channels = g.group * from_to(1, 9);
  g.in_h = from_to(1, 9), g.in_w = from_to(1, 9), g.kernel_h = from_to(1, 5), g.kernel_w = from_to(1, 5);
  g.dilation_h = from_to(1, 2), g.dilation_w = from_to(1, 3), g.pad_h = from_to(-1, 5), g.pad_w = from_to(-1, 5);
  g.turned = from_to(0, 1);
  g.out_h = g.in_h + 2 * g.pad_h - g.dilation_h * (g.kernel_h - 1);
  g.out_w = g.in_w + 2 * g.pad_w - g.dilation_w * (g.kernel_w - 1);
  return g.out_h > 0 && g.out_w > 0;
}

void correlations(const Geometry& g, const char* name) {
  const int64_t area = g.kernel_h * g.kernel_w, outputs = g.out_channels * g.out_h * g.out_w * g.batch;
  const auto x = values(g.in_channels * g.in_h * g.in_w * g.batch);
  const auto w = values(g.out_channels * g.in_channels / g.group * area), bias = values(g.out_channels);
  std::vector<float> y(static_cast<size_t>(outputs), NAN);
  Sums expected(y.size());
  for (int64_t at = 0; at < outputs; ++at) expected.add(at, bias[size_t(at / (outputs / g.out_channels))]);
  products(g, [&](int64_t k, int64_t from, int64_t to) { expected.add(to, double(w[size_t(k)]) * x[size_t(from)]); });
  if (deepcae_correlate(&g, x.data(), w.data(), bias.data(), y.data())) std::exit(2);
  compare("correlation", name, g, expected, y);
}

void weight_gradients(Geometry g, const char* name) {
  g.turned = 0, g.pad_h = std::max<int64_t>(0, g.pad_h), g.pad_w = std::max<int64_t>(0, g.pad_w);
  g.out_h = g.in_h + 2 * g.pad_h - g.dilation_h * (g.kernel_h - 1);
  g.out_w = g.in_w + 2 * g.pad_w - g.dilation_w * (g.kernel_w - 1);
  const auto large = values(g.in_channels * g.in_h * g.in_w * g.batch);
  const auto small = values(g.out_channels * g.out_h * g.out_w * g.batch);
  std::vector<float> dw(size_t(g.out_channels * g.in_channels / g.group * g.kernel_h * g.kernel_w), NAN);
  Sums expected(dw.size());
  products(g, [&](int64_t k, int64_t from, int64_t to) {
    expected.add(k, double(large[size_t(from)]) * small[size_t(to)]);
  });
  if (deepcae_weight_gradient(&g, large.data(), small.data(), dw.data())) std::exit(2);
  compare("gradient", name, g, expected, dw);
}

}  // namespace

int main(int count, char** arguments) {
  const int64_t cases = count > 1 ? std::atoll(arguments[1]) : 500;
  deepcae_threads(reinterpret_cast<void*>(in_parallel), reinterpret_cast<void*>(get_number),
                  reinterpret_cast<void*>(get_count));
  for (const char* name : {"avx512", "avx2", "sse2", "neon", "vectors of 4", "scalar"}) {
    if (std::strcmp(deepcae_instructions(name), name)) continue;
    for (int64_t done = 0; done < cases;) {
      Geometry g;
      if (!draw(g)) continue;
      g.threads = done % 2 ? 3 : 1;
      correlations(g, name);
      weight_gradients(g, name);
      ++done;
    }
    std::printf("%s: %lld shapes agree\n", name, static_cast<long long>(cases));
  }
}
