// State, memory and the machine queries: layout conversion, versions, refusals, cgroup quotas read from a made-up /proc.
#include "native/runtime/state.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "native/runtime/cpu.h"
#include "native/runtime/dispatch.h"
#include "native/runtime/switches.h"
#include "test/native/check.h"

namespace stridenet {
namespace {

void testLayouts() {
  State state;
  const int64_t dims[] = {2, 3, 5, 7};  // n h w c
  int number;
  CHECK_OK(state.addSlot(DType::float32, 4, dims, false, &number));
  std::vector<float> logical(210), physical(210), back(210);
  std::iota(logical.begin(), logical.end(), 0.f);
  CHECK_OK(state.write(number, logical.data(), true));
  CHECK_OK(state.read(number, physical.data(), false));
  CHECK_OK(state.read(number, back.data(), true));
  CHECK(back == logical);
  for (int n = 0; n < 2; n++) {
    for (int h = 0; h < 3; h++) {
      for (int w = 0; w < 5; w++) {
        for (int c = 0; c < 7; c++) CHECK(physical[((n * 3 + h) * 5 + w) * 7 + c] == logical[((n * 7 + c) * 3 + h) * 5 + w]);
      }
    }
  }
}

void testSlots() {
  State state;
  const int64_t dims[] = {3};
  int number;
  CHECK_OK(state.addSlot(DType::uint8, 1, dims, true, &number));
  const uint8_t bytes[3] = {1, 2, 3};
  CHECK(!state.write(number, bytes, false).isOk());  // derived
  CHECK_OK(state.addSlot(DType::uint8, 1, dims, false, &number));
  CHECK(number == 1 && state.slot(2) == nullptr && state.slot(-1) == nullptr);
  const uint64_t before = state.version();
  CHECK_OK(state.write(number, bytes, true));
  CHECK(state.version() == before + 1);
  CHECK(reinterpret_cast<uintptr_t>(state.slot(1)->memory) % kAlignment == 0);
}

void testReleasedSources() {
  State state;
  const int64_t dims[] = {2, 3, 100, 200};  // over two of the largest pages
  int source, used, between;
  CHECK_OK(state.addSlot(DType::float32, 4, dims, false, &source));
  CHECK_OK(state.addSlot(DType::float32, 4, dims, false, &used));
  CHECK_OK(state.addSlot(DType::float32, 4, dims, true, &between));
  std::vector<float> values(120000), back(120000);
  std::iota(values.begin(), values.end(), 1.f);
  CHECK_OK(state.write(source, values.data(), true));
  CHECK_OK(state.write(used, values.data(), true));
  state.slot(used)->usedBySteps = true;
  state.slot(between)->computedFrom = state.version();
  const uint64_t version = state.version();
  const void* address = state.slot(source)->memory;
  state.releaseSources();
  CHECK(state.isReleased(source) && !state.isReleased(used) && !state.isReleased(between));
  CHECK(state.slot(between)->computedFrom == 0);
  CHECK_OK(state.read(used, back.data(), true));
  CHECK(back == values);
  state.restore(source, values.data());
  CHECK_OK(state.read(source, back.data(), true));
  CHECK(back == values && !state.isReleased(source));
  CHECK(state.version() == version && state.slot(source)->memory == address);
}

void testFiles() {
  std::vector<float> values(120000), back(120000), physical(120000);
  std::iota(values.begin(), values.end(), 1.f);
  std::FILE* file = std::tmpfile();
  CHECK(file != nullptr && std::fwrite("head", 1, 4, file) == 4);
  CHECK(std::fwrite(values.data(), sizeof(float), values.size(), file) == values.size() && std::fflush(file) == 0);
  Source source;
  source.kind = Source::Kind::file;
  source.descriptor = fileno(file);
  source.offset = 4;

  State state(true);
  const int64_t dims[] = {50, 3, 4, 200};
  int moved, plain, derived, count;
  CHECK_OK(state.addSlot(DType::float32, 4, dims, false, &moved));
  CHECK_OK(state.addSlot(DType::float32, 2, dims, false, &plain));  // [50, 3]
  CHECK_OK(state.addSlot(DType::float32, 4, dims, true, &derived));
  CHECK_OK(state.addSlot(DType::int32, 1, dims, false, &count));
  CHECK(!state.writeSource(derived, source).isOk() && !state.writeSource(count, source).isOk());
  CHECK_OK(state.writeSource(moved, source));
  CHECK_OK(state.writeSource(plain, source));
  CHECK(state.version() == 3 && state.slot(moved)->outside);
  CHECK_OK(makeValues({{state.slot(moved), physical.data()}}, 3));
  CHECK(physical[1] == 13.f && physical[200] == 2.f && state.slot(moved)->outside);  // channel 1 of pixel 0, channel 0 of pixel 1
  CHECK_OK(state.load({state.slot(moved), state.slot(plain), state.slot(moved)}, 3));
  CHECK(!state.slot(moved)->outside && !state.slot(plain)->outside);
  CHECK_OK(state.read(moved, physical.data(), false));
  std::vector<float> again(120000);
  CHECK_OK(makeValues({{state.slot(moved), again.data()}}, 1));
  CHECK(again == physical);
  CHECK_OK(state.read(moved, back.data(), true));
  CHECK(back == values);

  // A value in a file has nothing to give back.
  CHECK_OK(state.writeSource(moved, source));
  state.releaseSources();
  CHECK(state.slot(moved)->outside && !state.isReleased(moved) && state.isReleased(plain));

  CHECK(ftruncate(fileno(file), 400000) == 0);
  CHECK(std::string(state.load({state.slot(moved), state.slot(moved)}, 2).code()) == "ERR_BAD_FILE" && state.slot(moved)->outside);
  std::fclose(file);
  CHECK(std::string(state.read(moved, back.data(), true).code()) == "ERR_FILE_ACCESS" && state.slot(moved)->outside);
  // A value that is written has no file any more.
  CHECK_OK(state.write(moved, values.data(), true));
  state.releaseSources();
  CHECK(state.isReleased(moved) && !state.slot(moved)->outside);
}

// Parts of constant and of random numbers meet without a seam, wherever they begin.
void testRules() {
  const RandomKernels& kernels = availableKernels().back()->random;
  Source drawn;
  drawn.kind = Source::Kind::normal;
  drawn.stream = {.seedLow = 1, .seedHigh = 2, .low = 3, .high = 4, .purpose = 0};
  drawn.first = 0.5;
  drawn.second = 2;
  std::vector<float> expected(420000), back(420000);
  kernels.normal(drawn.stream, 0, drawn.first, drawn.second, expected.data(), 420000);
  State state;
  const int64_t moved[] = {3, 7, 5, 4000}, odd[] = {419997};  // entries of 140000 numbers; pieces of 131072
  int image, row;
  CHECK_OK(state.addSlot(DType::float32, 4, moved, false, &image));
  CHECK_OK(state.addSlot(DType::float32, 1, odd, false, &row));
  CHECK_OK(state.writeSource(image, drawn));
  CHECK_OK(state.writeSource(row, drawn));
  CHECK_OK(state.load({state.slot(image), state.slot(row)}, 3));
  CHECK_OK(state.read(image, back.data(), true));
  CHECK(back == expected);
  CHECK_OK(state.read(row, back.data(), true));
  CHECK(back == expected);  // the last three are those of before

  // A slot that holds nothing but zeros need not be written with them; one that a step may have written has to be.
  Source zeros;
  int slot;
  CHECK_OK(state.addSlot(DType::float32, 1, odd, false, &slot));
  CHECK_OK(state.writeSource(slot, zeros));
  CHECK(!state.slot(slot)->outside);
  CHECK_OK(state.load({state.slot(slot)}, 1));
  static_cast<float*>(state.slot(slot)->memory)[1] = 5;
  CHECK_OK(state.writeSource(slot, zeros));
  CHECK_OK(state.read(slot, back.data(), true));
  CHECK(back[1] == 0);
}

void testParts() {
  State state;
  const int64_t dims[] = {4, 3, 2, 5};
  int number;
  CHECK_OK(state.addSlot(DType::float32, 4, dims, false, &number));
  std::vector<float> values(120), back(120);
  std::iota(values.begin(), values.end(), 1.f);
  CHECK_OK(state.write(number, values.data(), true, 0, 30));
  CHECK_OK(state.write(number, values.data() + 30, true, 30, 90));
  CHECK_OK(state.read(number, back.data(), true, 0, 60));
  CHECK_OK(state.read(number, back.data() + 60, true, 60));
  CHECK(back == values);
  CHECK(!state.write(number, values.data(), true, 10, 30).isOk());  // not whole entries
  CHECK(!state.write(number, values.data(), true, 90, 60).isOk());  // beyond the end
  CHECK(!state.read(number, back.data(), false, -1, 1).isOk());
  state.releaseSources();
  CHECK_OK(state.restore(number, values.data(), 0, 90));
  CHECK(state.isReleased(number));
  CHECK_OK(state.restore(number, values.data() + 90, 90));
  CHECK(!state.isReleased(number));
}

void testMemory() {
  AlignedBuffer buffer;
  CHECK_OK(buffer.reserve(10, "a test"));
  CHECK_OK(buffer.reserve(size_t{5} << 20, "a test"));  // mapped
  CHECK(buffer.at(0)[(5 << 20) - 1] == 0);
  buffer.at(0)[(5 << 20) - 1] = 7;
  discardPages(buffer.data(), buffer.size());
  buffer.at(0)[0] = 1;  // still there to be written
  const Status status = buffer.reserve(size_t{1} << 60, "a test");
  CHECK(!status.isOk() && std::string(status.code()) == "ERR_OUT_OF_MEMORY");
  CHECK(buffer.data() == nullptr && buffer.size() == 0);

  BlockPool pool;
  std::vector<char*> blocks;
  size_t total = 0;
  for (size_t bytes : {size_t{1}, size_t{100}, size_t{300} << 10, size_t{70} << 20, size_t{5}}) {  // some need a mapping of their own
    void* block;
    CHECK_OK(pool.take(bytes, "a test", &block));
    CHECK(reinterpret_cast<uintptr_t>(block) % kAlignment == 0);
    auto* text = static_cast<char*>(block);
    CHECK(text[0] == 0 && text[bytes - 1] == 0);
    std::memset(text, static_cast<int>(blocks.size()) + 1, bytes);
    blocks.push_back(text);
    total += alignUp(bytes);
  }
  for (size_t i = 0; i < blocks.size(); i++) CHECK(blocks[i][0] == static_cast<char>(i + 1));  // nobody wrote into another's
  CHECK(pool.bytes() == total);
  void* none;
  CHECK(!pool.take(size_t{1} << 60, "a test", &none).isOk() && pool.bytes() == total);
}

class FakeProc {
 public:
  FakeProc() {
    char name[] = "/tmp/stridenet-proc-XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    root_ = name;
    folder("/self");
  }
  ~FakeProc() {
    if (std::system(("rm -rf " + root_).c_str()) != 0) std::perror("rm");
  }
  const std::string& root() const { return root_; }
  void folder(const std::string& path) { CHECK(mkdir((root_ + path).c_str(), 0700) == 0); }
  void file(const std::string& path, const std::string& text) { std::ofstream(root_ + path) << text; }

 private:
  std::string root_;
};

void testQuotaV2() {
  FakeProc proc;
  proc.folder("/cg");
  proc.folder("/cg/pod");
  proc.folder("/cg/pod/box");
  proc.file("/self/cgroup", "0::/pod/box\n");
  proc.file("/self/mountinfo", "30 23 0:26 / " + proc.root() + "/cg rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
  proc.file("/cg/pod/box/cpu.max", "max 100000\n");
  CHECK(cgroupQuota(proc.root().c_str()) == 0);
  proc.file("/cg/pod/cpu.max", "150000 100000\n");  // an ancestor's
  CHECK(cgroupQuota(proc.root().c_str()) == 1.5);
  proc.file("/cg/pod/box/cpu.max", "50000 100000\n");
  CHECK(cgroupQuota(proc.root().c_str()) == 0.5);
}

void testQuotaV1() {
  FakeProc proc;
  proc.folder("/cg");
  proc.folder("/cg/box");
  proc.file("/self/cgroup", "5:memory:/docker/1/box\n4:cpu,cpuacct:/docker/1/box\n");
  // The mount's root is a folder of the host's tree, as in a container.
  proc.file("/self/mountinfo", "31 23 0:27 /docker/1 " + proc.root() + "/cg rw - cgroup cgroup rw,cpu,cpuacct\n");
  proc.file("/cg/box/cpu.cfs_quota_us", "-1\n");
  proc.file("/cg/box/cpu.cfs_period_us", "100000\n");
  CHECK(cgroupQuota(proc.root().c_str()) == 0);
  proc.file("/cg/box/cpu.cfs_quota_us", "250000\n");
  CHECK(cgroupQuota(proc.root().c_str()) == 2.5);
}

#if defined(__aarch64__)
constexpr const char* kForeignIsa = "AVX2";
#else
constexpr const char* kForeignIsa = "NEON";
#endif

void testChoices() {
  ThreadChoice choice;
  setenv("STRIDENET_THREADS", "7", 1);
  CHECK_OK(defaultThreads(&choice));
  CHECK(choice.threads == 7 && std::string(choice.source) == "STRIDENET_THREADS");
  for (const char* wrong : {"0", "257", "two", "3x", "-1", " 3", "99999999999999999999"}) {
    setenv("STRIDENET_THREADS", wrong, 1);
    CHECK(!defaultThreads(&choice).isOk());
  }
  unsetenv("STRIDENET_THREADS");
  CHECK_OK(defaultThreads(&choice));
  CHECK(choice.threads >= 1 && choice.threads <= processors().cores);
  // Decided once per process, so only one wrong name can be tried.
  setenv("STRIDENET_ISA", kForeignIsa, 1);
  const KernelTable* kernels;
  const Status status = selectKernels(&kernels);
  CHECK(std::string(status.code()) == "ERR_UNSUPPORTED_ISA" && status.message().find("scalar") != std::string::npos);
  unsetenv("STRIDENET_ISA");
}

void testSwitches() {
  struct {
    const char* variable;
    bool Switches::*value;
    bool usual;
  } const flags[] = {{.variable = "STRIDENET_PROFILE", .value = &Switches::profile, .usual = false},
                     {.variable = "STRIDENET_VALIDATE", .value = &Switches::validate, .usual = false},
                     {.variable = "STRIDENET_PLAN", .value = &Switches::plan, .usual = true}};
  for (const auto& flag : flags) {
    Switches switches;
    const auto read = [&](const char* text) {
      setenv(flag.variable, text, 1);
      const Status status = readSwitches(&switches);
      unsetenv(flag.variable);
      return status;
    };
    for (const char* on : {"1", "on", "ON", "true", "Yes"}) {
      CHECK_OK(read(on));
      CHECK(switches.*flag.value);
    }
    for (const char* off : {"0", "off", "Off", "FALSE", "no"}) {
      CHECK_OK(read(off));
      CHECK(!(switches.*flag.value));
    }
    CHECK_OK(read(""));
    CHECK(switches.*flag.value == flag.usual);
    for (const char* wrong : {"2", "y", "onn", " 1", "0x1"}) {
      const Status status = read(wrong);
      CHECK(!status.isOk() && std::string(status.code()) == "ERR_INVALID_ARGUMENT");
      CHECK(status.message().find(flag.variable) != std::string::npos && status.message().find("off") != std::string::npos);
    }
  }
  Switches switches;
  setenv("STRIDENET_ISA", "AVX512", 1);
  CHECK_OK(readSwitches(&switches));
  CHECK(switches.isa == "avx512");
  setenv("STRIDENET_ISA", "sse9", 1);
  const Status status = readSwitches(&switches);
  CHECK(!status.isOk() && status.message().find("scalar, avx2, avx512 or neon") != std::string::npos);
  unsetenv("STRIDENET_ISA");
}

}  // namespace
}  // namespace stridenet

int main() {
  using namespace stridenet;
  testLayouts();
  testSlots();
  testReleasedSources();
  testFiles();
  testRules();
  testParts();
  testMemory();
  testQuotaV2();
  testQuotaV1();
  testChoices();
  testSwitches();
  std::puts("state_test: ok");
  return 0;
}
