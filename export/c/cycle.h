// Cycles in a recording: resampled to 20 samples as in training, and back to the recording's rows.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "recording.h"

constexpr std::size_t kSamples = 20;

using Cycles = std::vector<std::pair<double, double>>;  // start and end, s

// Throws Problem if a cycle ends before it starts, or starts before the end of the previous one.
void check_cycles(const std::string& source, const Cycles& cycles);

// The reason why a cycle cannot be refined; empty if it can.
std::string incomplete(const Recording& recording, const std::vector<std::string>& channels,
                       double start, double end);

// 20 samples of a curve over a cycle, both ends included: a piecewise linear curve through 101
// points is fitted by least squares, clipped to the recorded range and sampled every 100/19 %.
Column resampled_cycle(const Column& time, const Column& curve, double start, double end);

// The curve interpolated linearly to another number of samples.
Column resampled(const Column& curve, std::size_t count);

// True if a time is within a cycle, with a tolerance for rounded time stamps.
bool within(const Recording& recording, double time, double start, double end);
