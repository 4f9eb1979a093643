// An input error with a one-line message; main prints it and exits with code 2.
#pragma once

#include <stdexcept>

struct Problem : std::runtime_error {
  using std::runtime_error::runtime_error;
};
