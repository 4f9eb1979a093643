#include "litert_version.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "litert_api.h"
#include "problem.h"

void check_litert_version() {
  namespace fs = std::filesystem;
  Dl_info library{};
  if (dladdr(reinterpret_cast<const void*>(&LiteRtCreateEnvironment), &library) == 0) return;
  const fs::path place = fs::absolute(library.dli_fname);
  const std::string wheel = "ai_edge_litert-";
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(place.parent_path().parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(wheel, 0) != 0 || entry.path().extension() != ".dist-info") continue;
    const std::string version = name.substr(wheel.size(), name.rfind('.') - wheel.size());
    if (version.rfind(LITERT_VERSION_DECLARED ".", 0) != 0)
      throw Problem("expected LiteRT " LITERT_VERSION_DECLARED ", found " + version + " at " +
                    place.string());
  }
}
