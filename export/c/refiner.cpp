#include "refiner.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "cycle.h"
#include "litert_api.h"
#include "problem.h"

namespace {

constexpr std::size_t kQuarters = 4;
constexpr std::size_t kAlignment = 64;

// Owns a LiteRT object and destroys it at the end of its scope.
template <typename T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, void (*)(T)>;

// Silences LiteRT's log on standard error; errors are reported as one line by main.
class Quiet {
 public:
  Quiet() : kept_(dup(STDERR_FILENO)) {
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) dup2(nowhere, STDERR_FILENO), close(nowhere);
  }
  ~Quiet() {
    if (kept_ >= 0) dup2(kept_, STDERR_FILENO), close(kept_);
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  int kept_;
};

struct Tensor {
  LiteRtRankedTensorType type{};
  LiteRtQuantizationPerTensor steps{1.0f, 0};
  std::size_t count = 0;

  std::size_t bytes() const {
    return count * (type.element_type == kLiteRtElementTypeInt8 ? 1 : sizeof(float));
  }
};

}  // namespace

struct Refiner::Session {
  const std::string& path;
  Owned<LiteRtEnvironment> environment{nullptr, LiteRtDestroyEnvironment};
  Owned<LiteRtModel> model{nullptr, LiteRtDestroyModel};
  Owned<LiteRtCompiledModel> compiled{nullptr, LiteRtDestroyCompiledModel};
  Owned<LiteRtTensorBuffer> given{nullptr, LiteRtDestroyTensorBuffer};
  Owned<LiteRtTensorBuffer> gives{nullptr, LiteRtDestroyTensorBuffer};
  LiteRtParamIndex signature = 0;
  Tensor input, output;
  std::vector<char> aligned;

  void check(LiteRtStatus status, const char* doing) const {
    if (status != 0)
      throw Problem(path + ": LiteRT " LITERT_VERSION_DECLARED " is required to run it; " + doing +
                    " returned status " + std::to_string(status));
  }

  Session(const SealedFile& file, const std::string& where) : path(where) {
    LiteRtEnvironment new_environment = nullptr;
    check(LiteRtCreateEnvironment(0, nullptr, &new_environment), "its environment");
    environment.reset(new_environment);

    LiteRtModel new_model = nullptr;
    check(LiteRtCreateModelFromBuffer(new_environment, aligned_content(file.content),
                                      file.content.size(), &new_model),
          "reading the model");
    model.reset(new_model);
    find_signature();

    LiteRtOptions new_options = nullptr;
    check(LiteRtCreateOptions(&new_options), "its options");
    const Owned<LiteRtOptions> options{new_options, LiteRtDestroyOptions};
    check(LiteRtSetOptionsHardwareAccelerators(new_options, kLiteRtHwAcceleratorCpu), "the CPU");
    LiteRtCompiledModel new_compiled = nullptr;
    check(LiteRtCreateCompiledModel(new_environment, new_model, new_options, &new_compiled),
          "preparing the model");
    compiled.reset(new_compiled);

    const auto samples = static_cast<std::size_t>(file.metadata.model_samples);
    const bool all = file.metadata.pattern == "all-entire";
    check_shape(input, samples, all ? file.metadata.channels.size() : 1);
    check_shape(output, samples, file.metadata.muscles.size());
    given.reset(buffer(input));
    gives.reset(buffer(output));
  }

  // LiteRT reads weights in place, so the content must be aligned.
  const char* aligned_content(const std::string& content) {
    aligned.resize(content.size() + kAlignment);
    void* place = aligned.data();
    std::size_t space = aligned.size();
    std::align(kAlignment, content.size(), place, space);
    std::memcpy(place, content.data(), content.size());
    return static_cast<const char*>(place);
  }

  void find_signature() {
    LiteRtParamIndex count = 0, inputs = 0, outputs = 0;
    check(LiteRtGetNumModelSignatures(model.get(), &count), "counting signatures");
    for (signature = 0; signature < count; ++signature) {
      LiteRtSignature found = nullptr;
      const char* key = nullptr;
      check(LiteRtGetModelSignature(model.get(), signature, &found), "reading signatures");
      check(LiteRtGetSignatureKey(found, &key), "reading signatures");
      if (std::string("refine") != key) continue;
      check(LiteRtGetNumSignatureInputs(found, &inputs), "reading signatures");
      check(LiteRtGetNumSignatureOutputs(found, &outputs), "reading signatures");
      LiteRtTensor first = nullptr, last = nullptr;
      if (inputs != 1 || outputs != 1 ||
          LiteRtGetSignatureInputTensor(found, "simulated", &first) != 0 ||
          LiteRtGetSignatureOutputTensor(found, "refined", &last) != 0)
        break;
      input = described(first);
      output = described(last);
      return;
    }
    throw Problem(path + ": expected a signature refine from simulated to refined, found another");
  }

  Tensor described(LiteRtTensor tensor) const {
    Tensor found;
    check(LiteRtGetRankedTensorType(tensor, &found.type), "reading shapes");
    found.count = found.type.layout.rank == 3 ? 1 : 0;
    for (unsigned int i = 0; i < found.type.layout.rank && i < 8; ++i)
      found.count *= static_cast<std::size_t>(std::max(found.type.layout.dimensions[i], 0));
    if (found.type.element_type == kLiteRtElementTypeInt8)
      check(LiteRtGetPerTensorQuantization(tensor, &found.steps), "reading quantization");
    else if (found.type.element_type != kLiteRtElementTypeFloat32)
      throw Problem(path + ": expected float32 or int8 in and out, found another type");
    return found;
  }

  void check_shape(const Tensor& tensor, std::size_t samples, std::size_t columns) const {
    const int32_t* found = tensor.type.layout.dimensions;
    if (tensor.count != samples * columns || found[0] != 1 ||
        found[1] != static_cast<int32_t>(samples))
      throw Problem(path + ": expected the tensor shapes in the metadata, found other shapes");
  }

  LiteRtTensorBuffer buffer(const Tensor& tensor) const {
    LiteRtTensorBuffer found = nullptr;
    check(LiteRtCreateManagedTensorBuffer(environment.get(), kLiteRtTensorBufferTypeHostMemory,
                                          &tensor.type, tensor.bytes(), &found),
          "creating buffers");
    return found;
  }

  // One call of the model: [sample][input] to [sample][output].
  Column run(const Column& values) {
    const Quiet quiet;
    void* memory = nullptr;
    check(LiteRtLockTensorBuffer(given.get(), &memory, kLiteRtTensorBufferLockModeWrite), "input");
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (input.type.element_type == kLiteRtElementTypeFloat32) {
        static_cast<float*>(memory)[i] = static_cast<float>(values[i]);
        continue;
      }
      const float step = std::nearbyint(static_cast<float>(values[i]) / input.steps.scale) +
                         static_cast<float>(input.steps.zero_point);
      static_cast<std::int8_t*>(memory)[i] =
          static_cast<std::int8_t>(std::clamp(step, -128.0f, 127.0f));
    }
    check(LiteRtUnlockTensorBuffer(given.get()), "input");
    LiteRtTensorBuffer in = given.get(), out = gives.get();
    check(LiteRtRunCompiledModel(compiled.get(), signature, 1, &in, 1, &out), "running the model");
    check(LiteRtLockTensorBuffer(out, &memory, kLiteRtTensorBufferLockModeRead), "output");
    Column found(output.count);
    for (std::size_t i = 0; i < found.size(); ++i)
      found[i] = output.type.element_type == kLiteRtElementTypeFloat32
                     ? static_cast<float*>(memory)[i]
                     : static_cast<float>(static_cast<std::int8_t*>(memory)[i] -
                                          output.steps.zero_point) *
                           output.steps.scale;
    check(LiteRtUnlockTensorBuffer(out), "output");
    return found;
  }
};

Refiner::Refiner(const std::string& path) : path_(path), file_(read_sealed_file(path)) {
  const Quiet quiet;
  session_ = std::make_unique<Session>(file_, path_);
}

Refiner::~Refiner() {
  const Quiet quiet;
  session_.reset();
}

std::vector<Column> Refiner::refine(const std::map<std::string, Column>& samples) {
  for (const std::string& name : metadata().channels) {
    const auto curve = samples.find(name);
    if (curve == samples.end()) throw Problem("expected a column for " + name + ", found none");
    for (double value : curve->second)
      if (!std::isfinite(value))
        throw Problem("expected finite numbers in " + name + ", found nan or infinity");
  }
  const std::size_t n_muscles = metadata().muscles.size();
  std::vector<Column> refined(n_muscles);
  if (metadata().pattern != "one-quarter") {
    const Column found = session_->run(input(samples));
    for (std::size_t i = 0; i < found.size(); ++i) refined[i % n_muscles].push_back(found[i]);
    return refined;
  }
  const Column whole = input(samples);
  const std::size_t size = kSamples / kQuarters;
  for (std::size_t quarter = 0; quarter < kQuarters; ++quarter) {
    const auto first = whole.begin() + static_cast<std::ptrdiff_t>(quarter * size);
    const Column part(first, first + static_cast<std::ptrdiff_t>(size));
    const auto wanted = static_cast<std::size_t>(metadata().model_samples);
    const Column found = resampled(session_->run(resampled(part, wanted)), size);
    refined[0].insert(refined[0].end(), found.begin(), found.end());
  }
  return refined;
}

// [sample][input]: all channels of a sample, or the mean of the muscle's counterparts.
Column Refiner::input(const std::map<std::string, Column>& samples) const {
  Column found;
  const bool all = metadata().pattern == "all-entire";
  for (std::size_t sample = 0; sample < kSamples; ++sample) {
    if (all) {
      for (const std::string& name : metadata().channels)
        found.push_back(samples.at(name)[sample]);
      continue;
    }
    double sum = 0;
    for (const std::string& name : metadata().muscles[0].counterparts)
      sum += samples.at(name)[sample];
    found.push_back(sum / static_cast<double>(metadata().muscles[0].counterparts.size()));
  }
  return found;
}
