// What is wrong with an input, in one line; main prints it and stops with code 2.
#pragma once

#include <stdexcept>

struct Problem : std::runtime_error {
  using std::runtime_error::runtime_error;
};
