// The module: the classes and functions that lib/runtime/binding.ts declares. Keeps nothing per environment: the exports object holds
// the classes, and type tags tell their instances from other objects.

#include "native/addon/augment.h"
#include "native/addon/program_wrap.h"
#include "native/addon/session_wrap.h"
#include "native/addon/state_wrap.h"
#include "native/ops/conv2d/algorithm.h"
#include "native/ops/packed_length.h"
#include "native/runtime/cpu.h"
#include "native/runtime/dispatch.h"
#include "native/runtime/executor.h"
#include "native/runtime/probe.h"
#include "native/runtime/switches.h"

namespace stridenet::addon {

namespace {

napi_value makeString(napi_env env, const char* text) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

napi_value makeBoolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

// info(): NativeInfo
napi_value info(napi_env env, napi_callback_info) {
  const KernelTable* kernels;
  ThreadChoice choice;
  Switches switches;
  Status status = readSwitches(&switches);
  if (status.isOk()) status = selectKernels(&kernels);
  if (status.isOk()) status = defaultThreads(&choice);
  if (!status.isOk()) return throwStatus(env, status);
  napi_value result, names, threads, cores;
  if (napi_create_object(env, &result) != napi_ok || napi_create_array(env, &names) != napi_ok) return nullptr;
  uint32_t count = 0;
  for (const KernelTable* table : availableKernels()) napi_set_element(env, names, count++, makeString(env, table->isa));
  napi_create_int32(env, choice.threads, &threads);
  napi_create_int32(env, processors().cores, &cores);
  napi_set_named_property(env, result, "isa", makeString(env, kernels->isa));
  napi_set_named_property(env, result, "availableIsas", names);
  napi_set_named_property(env, result, "threads", threads);
  napi_set_named_property(env, result, "threadsSource", makeString(env, choice.source));
  napi_set_named_property(env, result, "cores", cores);
  napi_set_named_property(env, result, "profile", makeBoolean(env, switches.profile));
  napi_set_named_property(env, result, "validate", makeBoolean(env, switches.validate));
  napi_set_named_property(env, result, "plan", makeBoolean(env, switches.plan));
#if defined(__clang__)
  napi_set_named_property(env, result, "compiler", makeString(env, "clang " __clang_version__));
#else
  napi_set_named_property(env, result, "compiler", makeString(env, "g++ " __VERSION__));
#endif
  return result;
}

// For the instruction set that `value`, a string, names.
Status getPlanningTable(napi_env env, napi_value value, const KernelTable** result) {
  char name[16] = "";
  if (napi_get_value_string_utf8(env, value, name, sizeof name, nullptr) != napi_ok) {
    return Status::error("ERR_INVALID_ARGUMENT", "Expected the name of an instruction set.");
  }
  return planningTable(name, result);
}

// plan(words, isa, threads): Float64Array of bytes, scratch bytes, seconds by instruction, prepare then step
napi_value plan(napi_env env, napi_callback_info call) {
  size_t argc = 3;
  napi_value arguments[3] = {};
  napi_get_cb_info(env, call, &argc, arguments, nullptr, nullptr);
  const int32_t* words = nullptr;
  size_t count = 0;
  const KernelTable* kernels;
  int64_t threads = 0;
  std::shared_ptr<const Program> program;
  Status status = getInt32Array(env, arguments[0], "plan: words", &words, &count);
  if (status.isOk()) status = getPlanningTable(env, arguments[1], &kernels);
  if (status.isOk()) status = getInteger(env, arguments[2], "plan: threads", 1, kMaxThreads, &threads);
  if (status.isOk()) status = decodeProgram(words, count, *kernels, &program, DecodeMode::query);
  if (!status.isOk()) return throwStatus(env, status);
  void* data = nullptr;
  napi_value array = makeTypedArray(env, napi_float64_array, 3 * (program->prepare.size() + program->step.size()), sizeof(double), &data);
  if (array == nullptr) return nullptr;
  auto* numbers = static_cast<double*>(data);
  for (const auto* list : {&program->prepare, &program->step}) {
    for (const Instruction& instruction : *list) {
      const Plan& p = instruction.plan;
      *numbers++ = p.bytes;
      *numbers++ = static_cast<double>(p.sharedScratch + p.threadScratch * static_cast<size_t>(threads));
      *numbers++ = estimateSeconds(p, *kernels);
    }
  }
  return array;
}

// The ways to compute the convolution that ends the step list of a program. The instruction that packs its weight, if it reads one, is all
// that stands in front of it.
Status findCandidates(const Program& program, std::vector<Candidate>* found) {
  const std::vector<Instruction>& step = program.step;
  if (step.empty() || step.size() > 2) {
    return Status::error("ERR_PROGRAM_INVALID", "candidates expects a convolution and, if it reads a packed weight, what packs it.");
  }
  const Call call = describeCall(program, step.back()), pack = describeCall(program, step.front());
  return findCandidates(call, step.size() == 2 ? &pack : nullptr, found);
}

// Answers a query about a program and an instruction set, which are its arguments. Throws and returns false if it cannot.
bool askCandidates(napi_env env, napi_callback_info info, const char* what, const KernelTable** kernels, std::vector<Candidate>* found) {
  size_t argc = 2;
  napi_value arguments[2] = {};
  napi_get_cb_info(env, info, &argc, arguments, nullptr, nullptr);
  const int32_t* words = nullptr;
  size_t count = 0;
  std::shared_ptr<const Program> program;
  Status status = getInt32Array(env, arguments[0], what, &words, &count);
  if (status.isOk()) status = getPlanningTable(env, arguments[1], kernels);
  if (status.isOk()) status = decodeProgram(words, count, **kernels, &program, DecodeMode::outline);
  if (status.isOk()) status = findCandidates(*program, found);
  if (!status.isOk()) throwStatus(env, status);
  return status.isOk();
}

// candidates(words, isa): Float64Array of seven numbers for each way to compute the convolution that ends the step list: algorithm, pixels
// joined, whether it rounds like sums of products, whether it is offered, seconds, seconds of packing, numbers of the packed weight.
napi_value candidates(napi_env env, napi_callback_info info) {
  std::vector<Candidate> found;
  const KernelTable* kernels;
  if (!askCandidates(env, info, "candidates: words", &kernels, &found)) return nullptr;
  void* data = nullptr;
  napi_value array = makeTypedArray(env, napi_float64_array, 7 * found.size(), sizeof(double), &data);
  if (array == nullptr) return nullptr;
  auto* numbers = static_cast<double*>(data);
  for (const Candidate& candidate : found) {
    *numbers++ = static_cast<double>(candidate.algorithm->name);
    *numbers++ = static_cast<double>(candidate.widen);
    *numbers++ = candidate.algorithm->sumsProducts;
    *numbers++ = candidate.isOffered;
    *numbers++ = estimateSeconds(candidate.plan, *kernels);
    *numbers++ = candidate.packedLength == 0 ? 0 : estimateSeconds(candidate.planPack, *kernels);
    *numbers++ = static_cast<double>(candidate.packedLength);
  }
  return array;
}

// workKinds(): the names of the kinds of work, in the order of their amounts
napi_value workKinds(napi_env env, napi_callback_info) {
  constexpr const char* kNames[] = {
#define STRIDENET_WORK_NAME(kind, unit) #kind,
      STRIDENET_WORK(STRIDENET_WORK_NAME)
#undef STRIDENET_WORK_NAME
  };
  napi_value names = nullptr;
  napi_create_array_with_length(env, kWorkKinds, &names);
  for (uint32_t i = 0; i < kWorkKinds; ++i) napi_set_element(env, names, i, makeString(env, kNames[i]));
  return names;
}

double* writeWork(const Plan& plan, double* numbers) {
  for (const double amount : plan.work.of) *numbers++ = amount;
  *numbers++ = plan.bytes;
  *numbers++ = plan.phases;
  return numbers;
}

// candidateWork(words, isa): Float64Array of what the candidates' estimates are made of, in their order: the amount of each kind of work,
// bytes and phases of the convolution, then those of packing its weight.
napi_value candidateWork(napi_env env, napi_callback_info info) {
  std::vector<Candidate> found;
  const KernelTable* kernels;
  if (!askCandidates(env, info, "candidateWork: words", &kernels, &found)) return nullptr;
  void* data = nullptr;
  napi_value array = makeTypedArray(env, napi_float64_array, 2 * (kWorkKinds + 2) * found.size(), sizeof(double), &data);
  if (array == nullptr) return nullptr;
  auto* numbers = static_cast<double*>(data);
  for (const Candidate& candidate : found) numbers = writeWork(candidate.planPack, writeWork(candidate.plan, numbers));
  return array;
}

bool getProbeArguments(napi_env env, napi_callback_info info, const char* what, int* threads, const KernelTable** kernels) {
  size_t argc = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &argc, &argument, nullptr, nullptr);
  int64_t count = 0;
  Status status = getInteger(env, argument, what, 1, kMaxThreads, &count);
  if (status.isOk()) status = selectKernels(kernels);
  *threads = static_cast<int>(count);
  if (!status.isOk()) throwStatus(env, status);
  return status.isOk();
}

// probe(threads): Float64Array of floating-point operations, bytes read and bytes copied per second
napi_value probe(napi_env env, napi_callback_info info) {
  int threads;
  const KernelTable* kernels;
  if (!getProbeArguments(env, info, "probe: threads", &threads, &kernels)) return nullptr;
  MachinePeaks peaks;
  const Status status = probeMachine(*kernels, threads, &peaks);
  if (!status.isOk()) return throwStatus(env, status);
  void* data = nullptr;
  napi_value array = makeTypedArray(env, napi_float64_array, 3, sizeof(double), &data);
  if (array == nullptr) return nullptr;
  auto* numbers = static_cast<double*>(data);
  numbers[0] = peaks.flopsPerSecond;
  numbers[1] = peaks.readBytesPerSecond;
  numbers[2] = peaks.copyBytesPerSecond;
  return array;
}

// probeFlops(threads): floating-point operations per second at this moment
napi_value probeFlops(napi_env env, napi_callback_info info) {
  int threads;
  const KernelTable* kernels;
  if (!getProbeArguments(env, info, "probeFlops: threads", &threads, &kernels)) return nullptr;
  napi_value result = nullptr;
  napi_create_double(env, probeFlopsPerSecond(*kernels, threads), &result);
  return result;
}

// packedLength(opcode, weightShape, attrs, isa): number; 0 when the operation refuses them
napi_value packedLength(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value arguments[4] = {};
  napi_get_cb_info(env, info, &argc, arguments, nullptr, nullptr);
  int64_t opcode = 0;
  const int32_t *shape = nullptr, *attrs = nullptr;
  size_t rank = 0, attrCount = 0;
  const KernelTable* kernels;
  Status status = getInteger(env, arguments[0], "packedLength: opcode", 0, kOpcodeCount - 1, &opcode);
  if (status.isOk()) status = getInt32Array(env, arguments[1], "packedLength: weightShape", &shape, &rank);
  if (status.isOk()) status = getInt32Array(env, arguments[2], "packedLength: attrs", &attrs, &attrCount);
  if (status.isOk()) status = getPlanningTable(env, arguments[3], &kernels);
  if (!status.isOk()) return throwStatus(env, status);

  Call call;
  call.opcode = static_cast<Opcode>(opcode);
  const bool isPack = call.opcode == Opcode::conv2d_pack || call.opcode == Opcode::matmul_pack;
  bool fits = isPack && rank >= 1 && rank <= kMaxRank && attrCount == static_cast<size_t>(kOpSignatures[opcode].attrCount());
  Operand& weight = call.operands[0];
  weight.rank = static_cast<int>(rank);
  weight.count = 1;
  for (size_t i = 0; fits && i < rank; i++) {
    fits = shape[i] >= 1 && weight.count <= kMaxTensorBytes / 4 / shape[i];
    weight.dims[i] = shape[i];
    weight.count *= shape[i];
  }
  if (!fits) {
    return throwStatus(env,
                       Status::error("ERR_INVALID_ARGUMENT",
                                     "packedLength expects conv2d_pack or matmul_pack, a weight of rank 1 to %d with positive extents, "
                                     "and the attributes of that opcode.",
                                     kMaxRank));
  }
  call.attrs = attrs;
  call.kernels = kernels;
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(stridenet::packedLength(call)), &result);
  return result;
}

// fillRandom(normal, counters, first, second, out)
napi_value fillRandom(napi_env env, napi_callback_info info) {
  size_t argc = 5;
  napi_value arguments[5] = {};
  napi_get_cb_info(env, info, &argc, arguments, nullptr, nullptr);
  bool isNormal = false;
  const int32_t* counters = nullptr;
  size_t count = 0;
  double first = 0, second = 0;
  TypedArrayView out;
  const KernelTable* kernels;
  Status status = getBoolean(env, arguments[0], "fillRandom: normal", &isNormal);
  if (status.isOk()) status = getInt32Array(env, arguments[1], "fillRandom: counters", &counters, &count);
  if (status.isOk()) status = getTypedArray(env, arguments[4], "fillRandom: out", &out);
  if (status.isOk()) status = selectKernels(&kernels);
  if (!status.isOk()) return throwStatus(env, status);
  if (count != 6 || napi_get_value_double(env, arguments[2], &first) != napi_ok ||
      napi_get_value_double(env, arguments[3], &second) != napi_ok || out.dtype != DType::float32 || out.length % 4 != 0) {
    return throwStatus(env,
                       Status::error("ERR_INVALID_ARGUMENT", "fillRandom expects six counters, two numbers, and a multiple of 4 float32."));
  }
  const auto fill = isNormal ? kernels->random.normal : kernels->random.uniform;
  fill(getStream(counters), static_cast<uint32_t>(counters[5]), first, second, static_cast<float*>(out.data),
       static_cast<int64_t>(out.length));
  return nullptr;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("opsHash", Napi::Number::New(env, kOpsHash));
  exports.Set("State", StateWrap::define(env));
  exports.Set("Program", ProgramWrap::define(env));
  exports.Set("Session", SessionWrap::define(env));
  defineAugmentation(env, exports);
  const napi_property_descriptor functions[] = {
      {"info", nullptr, info, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"plan", nullptr, plan, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"candidates", nullptr, candidates, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"candidateWork", nullptr, candidateWork, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"workKinds", nullptr, workKinds, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"fillRandom", nullptr, fillRandom, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"probeFlops", nullptr, probeFlops, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"probe", nullptr, probe, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"packedLength", nullptr, packedLength, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}

}  // namespace

NODE_API_MODULE(stridenet, initialize)

}  // namespace stridenet::addon
