// An exported file, loaded into LiteRT: cycles in, refined muscles out.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "recording.h"
#include "sealed_file.h"

class Refiner {
 public:
  // Throws Problem if the file is not an nem2e-tf export or LiteRT cannot run it.
  explicit Refiner(const std::string& path);
  ~Refiner();

  const Metadata& metadata() const { return file_.metadata; }

  // Refines one cycle: curves of 20 samples by channel name (others are ignored) to
  // [muscle][sample]. Throws Problem if a channel is missing or contains nan or infinity.
  std::vector<Column> refine(const std::map<std::string, Column>& samples);

 private:
  struct Session;

  Column input(const std::map<std::string, Column>& samples) const;

  std::string path_;
  SealedFile file_;
  std::unique_ptr<Session> session_;
};
