// Cycles in a recording: resampled to 20 samples as in training, and back to the recording's rows.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "recording.h"

constexpr std::size_t kSamples = 20;

using Cycles = std::vector<std::pair<double, double>>;  // start and end, s

// Throws Problem where a cycle does not run forwards or starts before the one before it has ended.
void check_cycles(const std::string& source, const Cycles& cycles);

// Says why a cycle cannot be refined; empty where it can.
std::string incomplete(const Recording& recording, const std::vector<std::string>& channels,
                       double start, double end);

// 20 samples of a curve over a cycle, both ends included: the broken line through 101 points that
// is nearest to the recording, held within its extremes there, then every 100/19 %.
Column resampled_cycle(const Column& time, const Column& curve, double start, double end);

// The same curve with another number of samples, linearly.
Column resampled(const Column& curve, std::size_t count);

// Whether a time is within a cycle, in the recording's own steps.
bool within(const Recording& recording, double time, double start, double end);
