// Reads an exported .tflite and checks it byte for byte before LiteRT sees it: an interpreter may
// crash on a damaged one.
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

// Throws Problem where the file is missing, of another project, cut short or changed.
SealedFile read_sealed_file(const std::string& path);

// Reads a whole file of any kind; throws Problem where it cannot.
std::string read_whole(const std::string& path);

// FIPS 180-4, of the parts one after the other; lower-case hexadecimal.
std::string sha256(const std::vector<std::string_view>& parts);
