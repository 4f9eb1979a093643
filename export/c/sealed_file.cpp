#include "sealed_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "json.h"
#include "problem.h"

namespace {

constexpr std::string_view kStart = "{\"kind\": \"nem2e-tf refiner file\"";
constexpr std::string_view kSeal = "\"content_sha256\": \"";
constexpr std::size_t kDigits = 64;
constexpr int kFormat = 1;

// The JSON, located by its first key and the length that flatbuffers stores before it.
std::string_view embedded(std::string_view content) {
  const std::size_t start = content.find(kStart);
  if (start == content.npos || start < 4)
    throw Problem("expected a TFLite file of nem2e-tf, found another project's or a damaged one");
  std::size_t length = 0;
  for (std::size_t i = 4; i > 0; --i)
    length = (length << 8) | static_cast<unsigned char>(content[start - 5 + i]);
  if (length > content.size() - start) throw Problem("expected readable metadata, found damage");
  return content.substr(start, length);
}

void check_seal(std::string_view content, const Json& json) {
  const double stated = json.at("content_bytes").as_number();
  if (stated != static_cast<double>(content.size()))
    throw Problem("expected " + std::to_string(static_cast<long long>(stated)) + " bytes, found " +
                  std::to_string(content.size()) + "; copy or export the file again");
  const std::size_t seal = content.find(kSeal, content.find(kStart));
  if (seal == content.npos || seal + kSeal.size() + kDigits > content.size())
    throw Problem("expected readable metadata, found damage");
  const std::size_t place = seal + kSeal.size();
  const std::string zeros(kDigits, '0');
  const std::string found =
      sha256({content.substr(0, place), zeros, content.substr(place + kDigits)});
  if (found != json.at("content_sha256").as_text())
    throw Problem("expected SHA-256 " + json.at("content_sha256").as_text().substr(0, 12) +
                  "..., found " + found.substr(0, 12) +
                  "...; the file was changed since its export, copy or export it again");
}

Metadata understood(const Json& json) {
  if (json.at("format").as_number() != kFormat)
    throw Problem("expected metadata format 1; export it again with this version");
  Metadata found;
  found.pattern = json.at("pattern").as_text();
  const std::vector<std::string> known = {"all-entire", "one-entire", "one-quarter"};
  if (std::find(known.begin(), known.end(), found.pattern) == known.end())
    throw Problem("expected a known input pattern, found " + found.pattern);
  const double samples = json.at("model_samples").as_number();
  if (samples != 20 && !(found.pattern == "one-quarter" && samples == 5))
    throw Problem("expected a model of 20 samples, found " + std::to_string(samples));
  found.model_samples = static_cast<int>(samples);
  found.channels = json.at("channels").as_texts();
  for (const Json& item : json.at("muscles").as_list())
    found.muscles.push_back({item.at("name").as_text(), item.at("counterparts").as_texts()});
  if (found.channels.empty() || found.muscles.empty())
    throw Problem("expected channels and muscles in the metadata, found none");
  if (found.pattern != "all-entire" &&
      (found.muscles.size() != 1 || found.muscles[0].counterparts.empty()))
    throw Problem("expected one muscle with counterparts for pattern " + found.pattern);
  return found;
}

}  // namespace

std::string read_whole(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  // a folder can be opened but not read
  if (!stream || std::filesystem::is_directory(path))
    throw Problem(path + ": cannot read the file");
  std::string content{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) throw Problem(path + ": cannot read the file");
  return content;
}

SealedFile read_sealed_file(const std::string& path) {
  SealedFile file{read_whole(path), {}};
  try {
    if (file.content.size() < 8 || file.content.compare(4, 4, "TFL3") != 0)
      throw Problem("expected a TFLite file, found something else");
    const Json json = parse_json(embedded(file.content));
    check_seal(file.content, json);
    file.metadata = understood(json);
  } catch (const Problem& problem) {
    throw Problem(path + ": " + problem.what());
  }
  return file;
}
