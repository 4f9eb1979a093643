#include "cycle.h"

#include <algorithm>
#include <cmath>

#include "problem.h"

namespace {

constexpr std::size_t kPoints = 101, kSteps = 10;
constexpr double kCoarsestStep = 0.1;  // maximum step between rows, as a fraction of the cycle

double at(const Column& time, const Column& curve, double moment) {
  if (moment <= time.front()) return curve.front();
  if (moment >= time.back()) return curve.back();
  const auto after = std::upper_bound(time.begin(), time.end(), moment);
  const std::size_t i = static_cast<std::size_t>(after - time.begin()) - 1;
  return curve[i] + (curve[i + 1] - curve[i]) / (time[i + 1] - time[i]) * (moment - time[i]);
}

// Least squares: each fine sample lies between two points, so the equations are tridiagonal.
Column nearest_points(const Column& fine) {
  Column lower(kPoints, 0.0), middle(kPoints, 0.0), right(kPoints, 0.0);
  for (std::size_t i = 0; i < fine.size(); ++i) {
    const std::size_t before = std::min(i / kSteps, kPoints - 2);
    const double share = static_cast<double>(i) / kSteps - static_cast<double>(before);
    middle[before] += (1 - share) * (1 - share);
    middle[before + 1] += share * share;
    lower[before + 1] += share * (1 - share);
    right[before] += (1 - share) * fine[i];
    right[before + 1] += share * fine[i];
  }
  for (std::size_t i = 1; i < kPoints; ++i) {
    const double factor = lower[i] / middle[i - 1];
    middle[i] -= factor * lower[i];
    right[i] -= factor * right[i - 1];
  }
  Column points(kPoints);
  points[kPoints - 1] = right[kPoints - 1] / middle[kPoints - 1];
  for (std::size_t i = kPoints - 1; i-- > 0;)
    points[i] = (right[i] - lower[i + 1] * points[i + 1]) / middle[i];
  return points;
}

}  // namespace

void check_cycles(const std::string& source, const Cycles& cycles) {
  for (std::size_t i = 0; i < cycles.size(); ++i) {
    const auto [start, end] = cycles[i];
    const std::string where = source + ", cycle " + std::to_string(i + 1);
    if (!std::isfinite(start) || !std::isfinite(end) || !(start < end))
      throw Problem(where + ": expected a start before the end");
    if (i > 0 && start < cycles[i - 1].second - 1e-6 * (cycles[i - 1].second - cycles[i - 1].first))
      throw Problem(where + ": expected it to start at or after the end of the previous one");
  }
}

bool within(const Recording& recording, double time, double start, double end) {
  return time >= start - recording.same_time && time <= end + recording.same_time;
}

std::string incomplete(const Recording& recording, const std::vector<std::string>& channels,
                       double start, double end) {
  const Column& time = recording.time;
  const double near = recording.same_time;
  if (start < time.front() - near || end > time.back() + near)
    return "not covered by the recording";
  double last = start;
  for (std::size_t row = 0; row < time.size(); ++row) {
    if (!within(recording, time[row], start, end)) continue;
    if (time[row] - last > kCoarsestStep * (end - start))
      return "rows further apart than a tenth of the cycle";
    last = time[row];
    for (const std::string& channel : channels)
      if (!std::isfinite(recording.curves.at(channel)[row]))
        return "nan or infinity in " + channel;
  }
  if (end - last > kCoarsestStep * (end - start))
    return "rows further apart than a tenth of the cycle";
  return {};
}

Column resampled_cycle(const Column& time, const Column& curve, double start, double end) {
  Column fine;
  const std::size_t steps = (kPoints - 1) * kSteps;
  for (std::size_t i = 0; i <= steps; ++i)
    fine.push_back(
        at(time, curve,
           i == steps ? end : start + (end - start) / static_cast<double>(steps) *
                                          static_cast<double>(i)));
  Column points = nearest_points(fine);
  const auto [least, most] = std::minmax_element(fine.begin(), fine.end());
  for (double& point : points) point = static_cast<float>(std::clamp(point, *least, *most));
  Column samples = resampled(points, kSamples);
  for (double& sample : samples) sample = static_cast<float>(sample);
  return samples;
}

Column resampled(const Column& curve, std::size_t count) {
  if (curve.size() == count) return curve;
  Column found;
  for (std::size_t i = 0; i < count; ++i) {
    const double place = static_cast<double>((curve.size() - 1) * i) / static_cast<double>(count - 1);
    const std::size_t before = std::min(static_cast<std::size_t>(place), curve.size() - 2);
    const double share = place - static_cast<double>(before);
    found.push_back(curve[before] * (1 - share) + curve[before + 1] * share);
  }
  return found;
}
