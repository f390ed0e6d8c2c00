// The compiled core without Python: every instruction set that this machine has, on random shapes, in one thread and in
// three. Convolutions against loops in double precision; all else, which the tests in Python judge, against the scalar
// set, and that one's sigmoid against the standard library's. For compilers and machines where Python cannot run:
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
            int64_t channel = o / outs * ins + c, row = i * g.stride_h - g.pad_h + k / g.kernel_w * g.dilation_h;
            int64_t column = j * g.stride_w - g.pad_w + k % g.kernel_w * g.dilation_w;
            if (row % g.spread_h || column % g.spread_w) continue;
            row /= g.spread_h, column /= g.spread_w;
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

void compare(const char* what, const char* name, const Geometry& g, const Sums& expected,
             const std::vector<float>& got) {
  for (size_t at = 0; at < got.size(); ++at) {
    if (std::fabs(got[at] - expected.sum[at]) <= 1e-5 * expected.size[at] + 1e-30) continue;
    std::printf("%s by %s: %g in place of %g at %zu; sizes", what, name, double(got[at]), expected.sum[at], at);
    for (size_t field = 0; field < sizeof(g) / sizeof(int64_t); ++field)
      std::printf(" %lld", static_cast<long long>(reinterpret_cast<const int64_t*>(&g)[field]));
    std::printf("\n");
    std::exit(1);
  }
}

// Whether something is left of the image.
bool sized(Geometry& g) {
  const int64_t high = g.spread_h * (g.in_h - 1) + 2 * g.pad_h - g.dilation_h * (g.kernel_h - 1);
  const int64_t wide = g.spread_w * (g.in_w - 1) + 2 * g.pad_w - g.dilation_w * (g.kernel_w - 1);
  g.out_h = high / g.stride_h + 1, g.out_w = wide / g.stride_w + 1;
  return high >= 0 && wide >= 0;
}

// Sizes as they come; with nothing left of the image, false.
bool draw(Geometry& g) {
  g.batch = from_to(0, 2) ? from_to(1, 9) : from_to(1, 70);
  g.group = from_to(0, 3) ? 1 : from_to(2, 3);
  g.in_channels = g.group * from_to(1, 4), g.out_channels = g.group * from_to(1, 9);
  g.in_h = from_to(1, 9), g.in_w = from_to(1, 9), g.kernel_h = from_to(1, 5), g.kernel_w = from_to(1, 5);
  g.dilation_h = from_to(1, 2), g.dilation_w = from_to(1, 3), g.pad_h = from_to(-1, 5), g.pad_w = from_to(-1, 5);
  g.turned = from_to(0, 1);
  g.stride_h = g.stride_w = g.spread_h = g.spread_w = 1;
  if (from_to(0, 1)) g.stride_h = from_to(1, 3), g.stride_w = from_to(1, 3);
  if (!from_to(0, 2)) g.spread_h = from_to(1, 3), g.spread_w = from_to(1, 3);
  return sized(g);
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
  g.spread_h = g.spread_w = 1;
  if (!sized(g)) return;
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

// What the functions that work element by element make of the same random numbers.
std::vector<float> elements(const char* name, unsigned seed) {
  deepcae_instructions(name);
  generator.seed(seed);
  std::vector<float> made;
  const auto keep = [&](const std::vector<float>& values) { made.insert(made.end(), values.begin(), values.end()); };
  const int64_t rows = from_to(1, 5), length = from_to(0, 5) ? from_to(1, 200) : from_to(7000, 20000);
  const int64_t count = rows * length, threads = from_to(1, 3);
  const auto bias = values(rows), x = values(count), t = values(count);
  for (int64_t kind : {kSigmoid, kReLU, kELU, kTanH}) {
    std::vector<float> in = x, y(x.size()), dy = t, dbias(bias.size());
    deepcae_activate(kind, 0.1f, rows, length, bias.data(), in.data(), y.data(), threads);
    deepcae_activate_back(kind, 0.1f, rows, length, y.data(), dy.data(), dbias.data(), threads);
    for (size_t at = 0; kind == kSigmoid && at < y.size(); ++at) {
      if (std::fabs(y[at] - 1 / (1 + std::exp(-double(in[at])))) <= 1e-6) continue;
      std::printf("%s: the sigmoid of %g is not %g\n", name, double(in[at]), double(y[at]));
      std::exit(1);
    }
    keep(in), keep(y), keep(dy), keep(dbias);
  }
  std::vector<float> da(x.size()), db(x.size()), turned(x.size()), losses(2);
  deepcae_cross_entropy(count, 1.0 / double(count), 2, x.data(), t.data(), da.data(), &losses[0], threads);
  keep(da);
  deepcae_squares(count, 1.0 / double(count), 2, x.data(), t.data(), da.data(), db.data(), &losses[1], threads);
  deepcae_transpose(rows, 1, length, x.data(), turned.data(), threads);
  keep(da), keep(db), keep(losses), keep(turned);
  for (int64_t kind : {kProduct, kSum, kGreatest}) {
    std::vector<float> y(x.size());
    deepcae_join(kind, count, 0.5f, -2.0f, x.data(), t.data(), y.data(), threads);
    if (kind != kSum) deepcae_join_back(kind, count, x.data(), t.data(), y.data(), da.data(), db.data(), threads);
    keep(y), keep(da), keep(db);
  }
  deepcae_scale(rows, length, 3.0f, 0.5f, bias.data(), x.data(), da.data(), threads), keep(da);
  for (int64_t rule : {kSGD, kNesterov, kAdaGrad, kRMSProp, kAdaDelta, kAdam}) {
    std::vector<float> w = x, g = t, h(x.size(), 0.5f), h2(x.size(), 0.5f), d(x.size());
    const Update update = {rule, from_to(0, 1), 0.1, 0.5, 0.7f, 0.9f, 0.99f, 0.9f, 0.01f, 0.1f, 0.01f};
    const Learned blob = {w.data(), g.data(), h.data(), h2.data(), d.data(), count, 2.0, 0.01};
    deepcae_update(&update, 1, &blob, threads);
    double squares = 0.0;
    deepcae_all_squared(1, &blob, &squares, threads);
    keep(w), keep(g), keep(h), keep(h2), keep(d), keep({float(squares / double(count))});
  }
  return made;
}

std::vector<float> pooled(const char* name, unsigned seed) {
  deepcae_instructions(name);
  generator.seed(seed);
  Pooling p = {from_to(1, 3), from_to(1, 40), from_to(3, 9), from_to(3, 9), 0, 0, from_to(1, 3), from_to(1, 3),
               from_to(1, 3), from_to(1, 3), 0, 0, from_to(0, 1), from_to(1, 3)};
  p.pad_h = from_to(0, p.kernel_h - 1), p.pad_w = from_to(0, p.kernel_w - 1);
  p.out_h = (p.in_h + 2 * p.pad_h - p.kernel_h) / p.stride_h + 1;
  p.out_w = (p.in_w + 2 * p.pad_w - p.kernel_w) / p.stride_w + 1;
  const auto x = values(p.planes * p.in_h * p.in_w * p.batch), dy = values(p.planes * p.out_h * p.out_w * p.batch);
  std::vector<float> y(dy.size()), dx(x.size());
  std::vector<int32_t> place(dy.size());
  deepcae_pool(&p, x.data(), y.data(), place.data());
  deepcae_pool_back(&p, dy.data(), place.data(), dx.data());
  y.insert(y.end(), dx.begin(), dx.end());
  y.insert(y.end(), place.begin(), place.end());
  return y;
}

void compare_with_scalar(const char* name, unsigned seed) {
  for (const auto function : {elements, pooled}) {
    const auto got = function(name, seed), expected = function("scalar", seed);
    for (size_t at = 0; at < got.size(); ++at) {
      if (std::fabs(got[at] - expected[at]) <= 1e-4f * (1 + std::fabs(expected[at]))) continue;
      std::printf("%s: %g in place of scalar's %g (%s, seed %u, number %zu)\n", name, double(got[at]),
                  double(expected[at]), function == elements ? "elements" : "pooled", seed, at);
      std::exit(1);
    }
  }
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
    for (unsigned seed = 0; seed < unsigned(cases); ++seed) compare_with_scalar(name, seed);
    std::printf("%s: %lld shapes agree\n", name, static_cast<long long>(cases));
  }
}
