// Reads an exported .tflite and verifies its checksum before LiteRT reads it: the interpreter may
// crash on a damaged file.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct Metadata {
  struct Muscle {
    std::string name;
    std::vector<std::string> counterparts;
  };

  std::string pattern;
  int model_samples = 0;
  std::vector<std::string> channels;
  std::vector<Muscle> muscles;
};

struct SealedFile {
  std::string content;
  Metadata metadata;
};

// Throws Problem if the file is missing, from another project, truncated or changed.
SealedFile read_sealed_file(const std::string& path);

// Reads a whole file of any kind; throws Problem on failure.
std::string read_whole(const std::string& path);

// SHA-256 (FIPS 180-4) of the concatenated parts, in lower-case hexadecimal.
std::string sha256(const std::vector<std::string_view>& parts);
