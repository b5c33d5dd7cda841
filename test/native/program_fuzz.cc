// Mutated programs are refused or run; none crashes, overruns memory or is undefined (AddressSanitizer and UBSan watch).
//   program_fuzz [seed] [count]
// Starts from valid programs that use every opcode. What the decoder accepts is executed when it is small enough.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <random>
#include <string>

#include "native/runtime/dispatch.h"
#include "native/runtime/session.h"
#include "test/native/check.h"
#include "test/native/program_builder.h"

namespace stridenet {
namespace {

using Builder = ProgramBuilder;
using Words = std::vector<int32_t>;

constexpr size_t kMemoryLimit = size_t{16} << 20;
constexpr double kSecondsLimit = 1e-4;  // estimated; keeps one program to milliseconds under a sanitizer

const KernelTable& kernels() {
  static const KernelTable* const table = [] {
    const KernelTable* result = nullptr;
    CHECK_OK(selectKernels(&result));
    return result;
  }();
  return *table;
}

// What the instructions of one convolution or pooling have in common, as far as each has it.
struct Geometry {
  int kh, kw;
  int sh = 1, sw = 1;
  int pt = 0, pl = 0;
  int dh = 1, dw = 1;
  int groups = 1;

  // The attributes of one of them, with those that this geometry says.
  template <typename Instruction>
  typename Instruction::Attributes of(typename Instruction::Attributes attributes) const {
    if constexpr (requires { attributes.kh; }) {
      attributes.kh = kh;
      attributes.kw = kw;
    }
    if constexpr (requires { attributes.groups; }) attributes.groups = groups;
    attributes.sh = sh;
    attributes.sw = sw;
    attributes.pt = pt;
    attributes.pl = pl;
    attributes.dh = dh;
    attributes.dw = dw;
    return attributes;
  }
};

// One training step of a small convolutional network, packing in the step list.
Words trainingWords() {
  Builder b;
  const int n = 2, classes = 5;
  const int raw = b.feed({n, 9, 9, 3}, DType::uint8), labels = b.feed({n}, DType::int32), lr = b.feed({1});
  const int scale = b.constant({3}, {0.1f, 0.2f, 0.3f}), shift = b.constant({3}, {-1, 0, 1}), one = b.constant({1}, {1});
  const int loss = b.fetch({1}), correct = b.fetch({1});
  const int w1 = b.slot(0, {6, 3, 3, 3}), b1 = b.slot(1, {6}), w2 = b.slot(2, {classes, 96}), b2 = b.slot(3, {classes});
  const int v1 = b.slot(4, {6, 3, 3, 3});
  const int x = b.arena({n, 9, 9, 3});
  b.step(Opcode::feed, {raw, scale, shift, x}, {static_cast<int32_t>(Layout::nchw)});
  const Geometry geometry = {.kh = 3, .kw = 3};
  const Geometry pooling = {.kh = 2, .kw = 2, .sh = 2, .sw = 2, .pt = 1, .pl = 1};
  const auto packAttrs = geometry.of<Conv2dPack>({.algorithm = Algorithm::direct, .widen = 1});
  const int packed1 = b.arena({Builder::packedExtent(kernels(), {6, 3, 3, 3}, packAttrs)});
  b.step<Conv2dPack>({w1, -1, packed1}, packAttrs);
  const int y1 = b.arena({n, 7, 7, 6});
  b.step<Conv2d>({x, packed1, b1, -1, y1},
                 geometry.of<Conv2d>({.algorithm = Algorithm::direct, .widen = 1, .activation = Activation::relu}));
  const int p1 = b.arena({n, 4, 4, 6});
  b.step<MaxPool2d>({y1, p1}, pooling.of<MaxPool2d>({}));
  const int rows = b.arena({n, 96});
  const int turned = b.arena({n, 6, 4, 4});
  b.step(Opcode::transpose, {p1, turned}, {0, 3, 1, 2, 4, 5});
  const int flatTurned = b.arena({n, 96});
  b.step(Opcode::unary, {b.tensor(DType::float32, Space::arena, b.lineOf(turned), {n, 96}), flatTurned},
         {static_cast<int>(UnaryKind::tanh)});
  b.step(Opcode::unary, {flatTurned, rows}, {static_cast<int>(UnaryKind::copy)});
  const int packed2 = b.arena({Builder::packedExtent(kernels(), Opcode::matmul_pack, {classes, 96}, {1})});
  b.step(Opcode::matmul_pack, {w2, packed2}, {1});
  const int logits = b.arena({n, classes});
  b.step(Opcode::matmul, {rows, packed2, b2, -1, logits}, {0});
  b.step<CrossEntropy>({logits, labels, loss}, {.labelSmoothing = 0.1f, .ignore = -100, .reduction = LossReduction::mean});
  b.step<CountCorrect>({logits, labels, correct}, {.k = 1, .ignore = -100});
  b.step<ConfusionCounts>({logits, labels, b.arena({classes, classes})}, {.ignore = -100});
  const int dlogits = b.arena({n, classes}), dw2 = b.arena({classes, 96}), db2 = b.arena({classes});
  b.step<CrossEntropyGrad>({logits, labels, one, dlogits}, {.labelSmoothing = 0.1f, .ignore = -100, .reduction = LossReduction::mean});
  b.step(Opcode::matmul_at_b, {dlogits, rows, dw2, db2}, {});
  const int drows = b.arena({n, 96});
  b.step(Opcode::matmul_plain, {dlogits, w2, -1, -1, drows}, {0, 0});
  const int dp1 = b.arena({n, 4, 4, 6}), dy1 = b.arena({n, 7, 7, 6});
  b.step(Opcode::transpose, {b.tensor(DType::float32, Space::arena, b.lineOf(drows), {n, 6, 4, 4}), dp1}, {0, 2, 3, 1, 4, 5});
  b.step<MaxPool2dGrad>({y1, dp1, dy1}, pooling.of<MaxPool2dGrad>({.reluMask = 1}));
  const int dw1 = b.arena({6, 3, 3, 3}), db1 = b.arena({6});
  for (const Algorithm algorithm : {Algorithm::productLines, Algorithm::productOutputs, Algorithm::productTaps}) {
    b.step<Conv2dGradWeight>({x, dy1, dw1, db1}, geometry.of<Conv2dGradWeight>({.algorithm = algorithm}));
  }
  const int dx = b.arena({n, 9, 9, 3}), total = b.fetch({1, 1, 1, 1});
  for (const Algorithm algorithm : {Algorithm::scatter, Algorithm::direct}) {
    auto packGradAttrs = geometry.of<Conv2dPack>({.algorithm = algorithm, .widen = 1});
    packGradAttrs.direction = Direction::gradInput;
    const int packedGrad = b.arena({Builder::packedExtent(kernels(), {6, 3, 3, 3}, packGradAttrs)});
    b.step<Conv2dPack>({w1, -1, packedGrad}, packGradAttrs);
    b.step<Conv2dGradInput>({dy1, packedGrad, dx}, geometry.of<Conv2dGradInput>({.algorithm = algorithm, .widen = 1}));
  }
  b.step(Opcode::reduce, {dx, total}, {static_cast<int>(Reduction::sum)});
  b.step<Sgd>({dw1, lr, -1, w1, v1}, {.momentum = 0.9f, .weightDecay = 1e-4f, .nesterov = 1});
  b.step<Sgd>({db1, lr, -1, b1, -1}, {});
  b.step<Sgd>({dw2, lr, -1, w2, -1}, {});
  b.step<Sgd>({db2, lr, -1, b2, -1}, {});
  return b.words();
}

// Inference with a prepare list, groups, strides, dilation, average pooling and the rest of the opcodes.
Words inferenceWords() {
  Builder b;
  const int n = 3;
  const int x = b.feed({n, 10, 8, 4}), w = b.slot(0, {8, 3, 2, 2}), wide = b.slot(1, {4, 3, 3, 4});
  const Geometry grouped = {.kh = 3, .kw = 2, .sh = 2, .pt = 1, .dw = 2, .groups = 2};
  const Geometry whole3x3 = {.kh = 3, .kw = 3, .pt = 1, .pl = 1};
  const auto packAttrs = grouped.of<Conv2dPack>({.algorithm = Algorithm::direct, .widen = 1});
  const auto wideAttrs = whole3x3.of<Conv2dPack>({.algorithm = Algorithm::direct, .widen = 2});
  const int32_t extent = Builder::packedExtent(kernels(), {8, 3, 2, 2}, packAttrs);
  const int32_t wideExtent = Builder::packedExtent(kernels(), {4, 3, 3, 4}, wideAttrs);
  const int packed = b.slot(2, {extent}), packedWide = b.slot(3, {wideExtent}), scaled = b.arena({8, 3, 2, 2});
  const int factor = b.constant({8, 1, 1, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
  b.prepare(Opcode::binary, {w, factor, scaled}, {static_cast<int>(BinaryKind::mul)});
  const int column = b.constant({8}, {1, 2, 3, 4, 5, 6, 7, 8}), foldScale = b.arena({8}), foldShift = b.arena({8});
  b.prepare(Opcode::batch_norm_fold, {column, column, column, column, -1, foldScale, foldShift}, {Builder::bits(1e-5f)});
  b.prepare(Opcode::batch_norm_fold, {column, column, column, column, column, foldScale, foldShift}, {Builder::bits(1e-5f)});
  b.prepare<Conv2dPack>({scaled, foldScale, packed}, packAttrs);
  b.prepare<Conv2dPack>({wide, -1, packedWide}, wideAttrs);
  const int same = b.arena({n, 10, 8, 4});
  b.step<Conv2d>({x, packedWide, -1, x, same},
                 whole3x3.of<Conv2d>({.algorithm = Algorithm::direct, .widen = 2, .activation = Activation::sigmoid}));
  const int y = b.arena({n, 5, 6, 8});
  b.step<Conv2d>({same, packed, -1, -1, y}, grouped.of<Conv2d>({.algorithm = Algorithm::direct, .widen = 1}));
  const int pooled = b.arena({n, 3, 3, 8}), dpooled = b.arena({n, 5, 6, 8}), gathered = b.arena({n, 2, 3, 8});
  b.step<AvgPool2d>({y, pooled}, {.kh = 3, .kw = 2, .sh = 2, .sw = 2, .pt = 1, .pb = 1, .countIncludePad = 1});
  b.step<AvgPool2dGrad>({pooled, dpooled}, {.kh = 3, .kw = 2, .sh = 2, .sw = 2, .pt = 1, .pb = 1});
  const Geometry gathering = {.kh = 2, .kw = 2, .sh = 2, .sw = 2};
  b.step<MaxPool2dGather>({y, dpooled, gathered}, gathering.of<MaxPool2dGather>({}));
  const int means = b.arena({n, 1, 1, 8}), greatest = b.arena({1, 3, 3, 1});
  b.step(Opcode::reduce, {pooled, means}, {static_cast<int>(Reduction::mean)});
  b.step(Opcode::reduce, {pooled, greatest}, {static_cast<int>(Reduction::max)});
  b.step(Opcode::binary, {pooled, means, pooled}, {static_cast<int>(BinaryKind::sub)});
  b.step(Opcode::binary, {pooled, greatest, pooled}, {static_cast<int>(BinaryKind::maximum)});
  const int probabilities = b.arena({n, 3, 3, 8}), out = b.fetch({n, 3, 3, 8}), whole = b.fetch({n, 2, 3, 8});
  b.step(Opcode::softmax, {pooled, probabilities}, {0});
  b.step(Opcode::softmax, {probabilities, out}, {1});
  const int random = b.tensor(DType::int32, Space::constant, b.lineOf(b.constant({3}, {1, 2, 3})), {3});
  const int joined = b.arena({n, 3, 3, 24}), part = b.arena({n, 2, 3, 9}), framed = b.arena({n, 4, 5, 9});
  b.step(Opcode::concat, {pooled, probabilities, pooled, -1, -1, -1, -1, -1, joined}, {3});
  b.step<Slice>({joined, part}, {.s1 = 1, .s3 = 8});
  b.step<Pad>({part, framed}, {.s1 = 1, .s2 = 2, .value = 0.5f});
  const int mirrored = b.arena({n, 8, 7, 9}), repeated = b.arena({n, 6, 6, 9}), folded = b.arena({n, 4, 5, 9});
  b.step<Pad2d>({framed, mirrored}, {.pt = 3, .pl = 2, .mode = PadMode::reflect});
  b.step<Pad2d>({framed, repeated}, {.pt = 2, .pl = 0, .mode = PadMode::replicate});
  b.step<Pad2dGrad>({repeated, folded}, {.pt = 2, .pl = 0, .mode = PadMode::replicate});
  const int adapted = b.arena({n, 3, 2, 9}), spread = b.arena({n, 4, 5, 9}), dropped = b.fetch({n, 4, 5, 9});
  b.step(Opcode::adaptive_avg_pool2d, {mirrored, adapted}, {});
  b.step(Opcode::adaptive_avg_pool2d_grad, {adapted, spread}, {});
  b.step(Opcode::binary, {spread, folded, spread}, {static_cast<int>(BinaryKind::add)});
  b.step(Opcode::dropout, {spread, random, dropped}, {Builder::bits(0.3f), 7});
  b.step(Opcode::unary, {gathered, whole}, {static_cast<int>(UnaryKind::copy)});
  return b.words();
}

// Depthwise convolution and both gradients.
Words depthwiseWords() {
  Builder b;
  constexpr Algorithm kDepthwise = Algorithm::depthwise;
  const int n = 2, channels = 18;
  const int x = b.feed({n, 7, 6, channels}), w = b.slot(0, {channels, 3, 2, 1}), bias = b.slot(1, {channels}), lr = b.feed({1});
  const Geometry geometry = {.kh = 3, .kw = 2, .sh = 2, .pt = 1, .pl = 2, .dw = 2, .groups = channels};
  const auto packAttrs = geometry.of<Conv2dPack>({.algorithm = kDepthwise, .widen = 1});
  auto packGradAttrs = packAttrs;
  packGradAttrs.direction = Direction::gradInput;
  const int packed = b.arena({Builder::packedExtent(kernels(), {channels, 3, 2, 1}, packAttrs)});
  const int packedGrad = b.arena({Builder::packedExtent(kernels(), {channels, 3, 2, 1}, packGradAttrs)});
  b.step<Conv2dPack>({w, -1, packed}, packAttrs);
  b.step<Conv2dPack>({w, -1, packedGrad}, packGradAttrs);
  const int y = b.arena({n, 4, 8, channels}), residual = b.arena({n, 4, 8, channels}), dx = b.fetch({n, 7, 6, channels});
  b.step<Conv2d>({x, packed, bias, -1, residual}, geometry.of<Conv2d>({.algorithm = kDepthwise, .widen = 1}));
  const auto reluAttrs = geometry.of<Conv2d>({.algorithm = kDepthwise, .widen = 1, .activation = Activation::relu});
  b.step<Conv2d>({x, packed, -1, residual, y}, reluAttrs);
  b.step<Conv2dGradInput>({y, packedGrad, dx}, geometry.of<Conv2dGradInput>({.algorithm = kDepthwise, .widen = 1}));
  const int dw = b.arena({channels, 3, 2, 1}), db = b.arena({channels});
  b.step<Conv2dGradWeight>({x, y, dw, db}, geometry.of<Conv2dGradWeight>({.algorithm = kDepthwise}));
  b.step<Sgd>({dw, lr, -1, w, -1}, {});
  b.step<Sgd>({db, lr, -1, bias, -1}, {});
  return b.words();
}

// A 1x1 convolution as part of the depthwise convolution of its result.
Words expansionWords() {
  Builder b;
  const int n = 2, channels = 32;
  const int x = b.feed({n, 7, 6, 5}), w = b.slot(0, {channels, 1, 1, 5}), bias = b.slot(1, {channels});
  const int depthwise = b.slot(2, {channels, 3, 3, 1}), y = b.fetch({n, 4, 4, channels}), whole = b.fetch({n, 7, 6, channels});
  const Geometry pointwise = {.kh = 1, .kw = 1};
  const Geometry window = {.kh = 3, .kw = 3, .sh = 2, .sw = 2, .pt = 1, .pl = 1, .groups = channels};
  const auto packAttrs = pointwise.of<Conv2dPack>({.algorithm = Algorithm::direct, .widen = 1});
  const auto packDepthwise = window.of<Conv2dPack>({.algorithm = Algorithm::depthwise, .widen = 1});
  const int packed = b.arena({Builder::packedExtent(kernels(), {channels, 1, 1, 5}, packAttrs)});
  const int packedDepthwise = b.arena({Builder::packedExtent(kernels(), {channels, 3, 3, 1}, packDepthwise)});
  b.step<Conv2dPack>({w, -1, packed}, packAttrs);
  b.step<Conv2dPack>({depthwise, -1, packedDepthwise}, packDepthwise);
  b.step<Conv2dPointwiseDepthwise>({x, packed, bias, packedDepthwise, -1, y},
                                   {.activation = Activation::relu6, .stride = 2, .pt = 1, .pl = 2});
  b.step<Conv2dPointwiseDepthwise>({x, packed, -1, packedDepthwise, bias, whole},
                                   {.depthwiseActivation = Activation::relu6, .stride = 1, .pt = 1, .pl = 1});
  return b.words();
}

// Pooling as part of a convolution with images in the lanes, and its weight gradient.
Words poolingWords() {
  Builder b;
  const int n = 18;
  const int x = b.feed({n, 9, 8, 2}), w = b.slot(0, {5, 3, 3, 2}), bias = b.slot(1, {5}), lr = b.feed({1});
  const Geometry geometry = {.kh = 3, .kw = 3, .pt = 1, .pl = 1};
  const auto packAttrs = geometry.of<Conv2dPack>({.algorithm = Algorithm::hwcn, .widen = 1});
  const int packed = b.arena({Builder::packedExtent(kernels(), {5, 3, 3, 2}, packAttrs)});
  b.step<Conv2dPack>({w, -1, packed}, packAttrs);
  const int y = b.fetch({n, 4, 4, 5}), position = b.arena({2, 4, 4, 5, 16}), wide = b.fetch({n, 3, 2, 5});
  b.step<Conv2dMaxPool2d>({x, packed, bias, y, position},
                          geometry.of<Conv2dMaxPool2d>({.activation = Activation::relu, .poolH = 2, .poolW = 2}));
  b.step<Conv2dMaxPool2d>({x, packed, -1, wide, -1}, geometry.of<Conv2dMaxPool2d>({.poolH = 3, .poolW = 4}));
  const int dy = b.feed({n, 4, 4, 5}), dw = b.arena({5, 3, 3, 2}), db = b.arena({5});
  const auto gradAttrs = geometry.of<Conv2dMaxPool2dGradWeight>({.poolH = 2, .poolW = 2});
  b.step<Conv2dMaxPool2dGradWeight>({x, dy, position, dw, db}, gradAttrs);
  b.step<Sgd>({dw, lr, -1, w, -1}, {});
  b.step<Sgd>({db, lr, -1, bias, -1}, {});
  return b.words();
}

// Winograd's input gradient with images in the lanes, of two groups of images.
Words hwcnWinogradWords() {
  Builder b;
  constexpr Algorithm kForm = Algorithm::hwcnWinograd2x2;
  const int n = kernels().lanes + 1;
  const int dy = b.feed({n, 5, 4, 3}), w = b.slot(0, {3, 5, 5, 7}), dx = b.fetch({n, 6, 6, 7});
  const Geometry geometry = {.kh = 5, .kw = 5, .pt = 2, .pl = 1};
  const auto packAttrs = geometry.of<Conv2dPack>({.direction = Direction::gradInput, .algorithm = kForm, .widen = 1});
  const int packed = b.arena({Builder::packedExtent(kernels(), {3, 5, 5, 7}, packAttrs)});
  b.step<Conv2dPack>({w, -1, packed}, packAttrs);
  b.step<Conv2dGradInput>({dy, packed, dx}, geometry.of<Conv2dGradInput>({.algorithm = kForm, .widen = 1}));
  return b.words();
}

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  Words mutate(const std::vector<Words>& corpus) {
    Words words = corpus[below(corpus.size())];
    const int changes = below(3) == 0 ? 1 + static_cast<int>(below(4)) : 1;
    for (int i = 0; i < changes; i++) change(&words);
    // Most of the time past the first gate, so that the others are tried.
    if (below(20) != 0 && words.size() >= kHeaderWords) {
      words[0] = kProgramMagic;
      words[1] = static_cast<int32_t>(kOpsHash);
      words[2] = static_cast<int32_t>(words.size());
    }
    return words;
  }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  int32_t interesting() {
    static constexpr int32_t kValues[] = {0, 1, 2, 3, 4, 7, 8, 16, 64, 255, 1024, 65536, 1 << 20, 1 << 30, INT32_MAX, INT32_MIN, -1, -2};
    return kValues[below(std::size(kValues))];
  }

  void change(Words* words) {
    if (words->empty()) return;
    const size_t at = below(words->size());
    int32_t& word = (*words)[at];
    switch (below(10)) {
      case 0:
        word = interesting();
        break;
      case 1:
        word = static_cast<int32_t>(random_());
        break;
      case 2:
        word = static_cast<int32_t>(static_cast<uint32_t>(word) ^ (1u << below(32)));
        break;
      case 3:
        word = (*words)[below(words->size())];
        break;
      case 4:  // a block from elsewhere
        for (size_t i = 0, from = below(words->size()), n = 1 + below(16); i < n && std::max(at, from) + i < words->size(); i++) {
          (*words)[at + i] = (*words)[from + i];
        }
        break;
      case 5:
        if (below(4) == 0) words->resize(at);
        break;
      case 6:
        if (below(4) == 0) words->insert(words->begin() + static_cast<long>(at), 1 + below(8), interesting());
        break;
      default:
        // Beyond the largest word comes the smallest.
        word = static_cast<int32_t>(static_cast<uint32_t>(word) + static_cast<uint32_t>(below(9)) - 4u);
    }
  }

  std::mt19937 random_;
};

// The seed of the program under way, for the one line that a crash leaves.
volatile uint32_t current = 0;

void onCrash(int signal) {
  char text[96];
  const int length = std::snprintf(text, sizeof text, "program_fuzz: signal %d; repeat it with: program_fuzz %u 1\n", signal, current);
  if (write(2, text, static_cast<size_t>(length)) < 0) _exit(2);
  _exit(1);
}

enum class Outcome { refused, tooLarge, unbound, ran };

bool isSmall(const Program& program) {
  size_t bytes = Workspace::bytesFor(program, 2);
  double seconds = 0;
  for (int32_t tensor : program.feedTensors) bytes += static_cast<size_t>(program.tensors[tensor].bytes());
  for (int32_t tensor : program.fetchTensors) bytes += static_cast<size_t>(program.tensors[tensor].bytes());
  for (const SlotUse& use : program.slots) bytes += static_cast<size_t>(use.bytes);
  for (const auto* list : {&program.prepare, &program.step}) {
    for (const Instruction& instruction : *list) seconds += estimateSeconds(instruction.plan, *program.kernels);
  }
  return bytes <= kMemoryLimit && seconds <= kSecondsLimit;
}

// A State with exactly the slots that the program wants; false when a slot number is too large for a test.
bool makeSlots(const Program& program, State* state, std::mt19937& random) {
  std::vector<SlotUse> uses = program.slots;
  std::sort(uses.begin(), uses.end(), [](const SlotUse& a, const SlotUse& b) { return a.slot < b.slot; });
  if (!uses.empty() && uses.back().slot > 1000) return false;
  size_t next = 0;
  for (int32_t slot = 0; next < uses.size(); slot++) {
    const bool used = uses[next].slot == slot;
    const DType dtype = used ? uses[next].dtype : DType::uint8;
    const int64_t extent = used ? uses[next].bytes / static_cast<int64_t>(dtypeSize(dtype)) : 1;
    int number;
    CHECK_OK(state->addSlot(dtype, 1, &extent, used && uses[next].derived, &number));
    if (dtype == DType::float32) {
      auto* values = static_cast<float*>(state->slot(number)->memory);
      for (int64_t i = 0; i < extent; i++) values[i] = static_cast<float>(random() % 200) / 100 - 1;
    }
    if (used) next++;
  }
  return true;
}

Outcome tryProgram(const Words& words, std::mt19937& random) {
  std::shared_ptr<const Program> program;
  decodeProgram(words.data(), words.size(), kernels(), &program, DecodeMode::query);  // must not crash either
  program = nullptr;
  // A copy of exactly this size, so that reading behind the words is seen.
  std::vector<int32_t> exact(words);
  exact.shrink_to_fit();
  if (!decodeProgram(exact.data(), exact.size(), kernels(), &program).isOk()) return Outcome::refused;
  if (!isSmall(*program)) return Outcome::tooLarge;
  auto state = std::make_shared<State>();
  if (!makeSlots(*program, state.get(), random)) return Outcome::tooLarge;
  ExecutorSettings settings;
  settings.threads = 2;
  settings.profile = random() % 8 == 0;
  Session session(
      state, settings, [](void*) {}, nullptr);
  Job job;
  CHECK_OK(job.fit(program));
  job.steps = 2;
  for (size_t i = 0; i < job.feeds.size(); i++) {
    const Tensor& feed = program->tensors[program->feedTensors[i]];
    for (int64_t k = 0; k < feed.bytes(); k++) static_cast<uint8_t*>(job.feeds[i])[k] = static_cast<uint8_t>(random());
  }
  return session.runNow(job).isOk() ? Outcome::ran : Outcome::unbound;
}

}  // namespace
}  // namespace stridenet

int main(int argc, char** argv) {
  using namespace stridenet;
  const unsigned seed = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
  const int count = argc > 2 ? std::atoi(argv[2]) : 10000;
  const std::vector<Words> corpus = {trainingWords(),  inferenceWords(), depthwiseWords(),
                                     expansionWords(), poolingWords(),   hwcnWinogradWords()};
  std::mt19937 random(seed);
  for (const Words& words : corpus) {
    std::shared_ptr<const Program> program;
    CHECK_OK(decodeProgram(words.data(), words.size(), kernels(), &program));
    CHECK(tryProgram(words, random) == Outcome::ran);
  }
  for (int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGALRM}) std::signal(signal, onCrash);
  int outcomes[4] = {};
  for (int i = 0; i < count; i++) {
    // Every program has its own seed, so that `program_fuzz <that seed> 1` repeats it alone.
    const uint32_t own = seed + static_cast<uint32_t>(i);
    current = own;
    std::mt19937 values(own);
    alarm(20);  // an endless loop is a crash too
    outcomes[static_cast<int>(tryProgram(Mutator(own).mutate(corpus), values))]++;
  }
  std::printf("program_fuzz: ok; seed %u, %d programs: %d refused, %d too large to run, %d did not bind, %d ran\n", seed, count,
              outcomes[0], outcomes[1], outcomes[2], outcomes[3]);
  return 0;
}
