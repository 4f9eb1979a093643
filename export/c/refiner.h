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
  // Throws Problem where the file is not one of ours or LiteRT cannot run it.
  explicit Refiner(const std::string& path);
  ~Refiner();

  const Metadata& metadata() const { return file_.metadata; }

  // Curves of 20 samples by channel name, more than are needed if you like, to [muscle][sample].
  // Throws Problem where a channel is missing or holds nan.
  std::vector<Column> refine(const std::map<std::string, Column>& samples);

 private:
  struct Session;

  Column input(const std::map<std::string, Column>& samples) const;

  std::string path_;
  SealedFile file_;
  std::unique_ptr<Session> session_;
};
