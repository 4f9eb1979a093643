#include "recording.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "cycle.h"
#include "problem.h"
#include "sealed_file.h"

namespace {

constexpr double kSameTime = 1e-3;  // fraction of the median step

struct Table {
  std::vector<std::string> labels;
  std::vector<Column> columns;
  std::vector<std::size_t> lines;  // line number of each row, from 1
};

std::string_view trimmed(std::string_view text) {
  const std::string_view blank = " \t\r\"";
  const std::size_t first = text.find_first_not_of(blank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Splits at commas, or at runs of blanks; blanks at the ends of the line are ignored.
std::vector<std::string_view> cells(std::string_view line, char separator) {
  std::vector<std::string_view> found;
  if (separator == ',') {
    for (std::string_view part : split(line, separator)) found.push_back(trimmed(part));
    return found;
  }
  while (!(line = trimmed(line)).empty()) {
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    found.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return found;
}

std::optional<double> number(std::string_view cell) {
  if (!cell.empty() && cell.front() == '+') cell.remove_prefix(1);
  double value = 0;
  const char* end = cell.data() + cell.size();
  const auto found = std::from_chars(cell.data(), end, value);
  if (found.ec != std::errc() || found.ptr != end) return std::nullopt;
  return value;
}

std::string lower(std::string_view text) {
  std::string found(text);
  for (char& letter : found)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return found;
}

Table read_table(const std::string& path, const std::vector<std::string_view>& lines,
                 std::size_t first) {
  Table table;
  if (first >= lines.size() || trimmed(lines[first]).empty())
    throw Problem(path + ": expected a line of column names, found none");
  const char separator = lines[first].find(',') == std::string_view::npos ? ' ' : ',';
  for (std::string_view label : cells(lines[first], separator)) table.labels.emplace_back(label);
  table.columns.resize(table.labels.size());
  for (std::size_t row = first + 1; row < lines.size(); ++row) {
    if (trimmed(lines[row]).empty()) continue;
    const std::string where = path + ", line " + std::to_string(row + 1);
    const auto found = cells(lines[row], separator);
    if (found.size() != table.labels.size())
      throw Problem(where + ": expected " + std::to_string(table.labels.size()) +
                    " numbers, found " + std::to_string(found.size()));
    for (std::size_t column = 0; column < found.size(); ++column) {
      const std::optional<double> value = number(found[column]);
      if (!value)
        throw Problem(where + ", column " + table.labels[column] + ": expected a number, found " +
                      std::string(found[column].substr(0, 40)));
      table.columns[column].push_back(*value);
    }
    table.lines.push_back(row + 1);
  }
  if (table.lines.empty()) throw Problem(path + ": expected rows of numbers, found none");
  return table;
}

double median_step(const Column& time) {
  Column steps;
  for (std::size_t i = 1; i < time.size(); ++i) steps.push_back(time[i] - time[i - 1]);
  const auto half = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), half, steps.end());
  return *half;
}

// Channel of a label; empty unless the label is a muscle activation.
std::string channel(std::string_view label, char side) {
  const std::string_view folder = "/forceset/", quantity = "activation";
  if (label.substr(0, folder.size()) == folder) label.remove_prefix(folder.size());
  if (label.size() > quantity.size() + 1 &&
      label.substr(label.size() - quantity.size()) == quantity &&
      std::string_view("./|").find(label[label.size() - quantity.size() - 1]) != label.npos)
    label.remove_suffix(quantity.size() + 1);
  if (label.size() < 3 || label[label.size() - 2] != '_') return {};
  const char of = label.back();
  const std::string_view muscle = label.substr(0, label.size() - 2);
  if ((of != 'l' && of != 'r') || muscle.find_first_of("./|") != muscle.npos) return {};
  return std::string(muscle) + (of == side ? "_ipsi" : "_contra");
}

}  // namespace

Recording read_activations(const std::string& path, char side) {
  const std::string content = read_whole(path);
  const auto lines = split(content, '\n');
  std::size_t header = 0;
  while (header < lines.size() && lower(trimmed(lines[header])) != "endheader") ++header;
  if (header == lines.size())
    throw Problem(path + ": expected an OpenSim storage file, found no endheader line");
  const Table table = read_table(path, lines, header + 1);
  if (lower(table.labels[0]) != "time")
    throw Problem(path + ": expected time in the first column, found " + table.labels[0]);
  Recording recording;
  std::vector<std::size_t> kept;
  const Column& time = table.columns[0];
  for (std::size_t row = 0; row < time.size(); ++row) {
    const std::string where = path + ", line " + std::to_string(table.lines[row]);
    if (!std::isfinite(time[row])) throw Problem(where + ": expected a finite time");
    if (row > 0 && time[row] < time[row - 1])
      throw Problem(where + ": expected non-decreasing time; sort or split the recording");
    // of rows with the same time stamp, the first is kept
    if (row == 0 || time[row] > time[row - 1]) kept.push_back(row);
  }
  if (kept.size() < 2)
    throw Problem(path + ": expected rows at two or more times, found fewer");
  for (std::size_t row : kept) recording.time.push_back(time[row]);
  recording.same_time = kSameTime * median_step(recording.time);
  for (std::size_t column = 1; column < table.labels.size(); ++column) {
    const std::string name = channel(table.labels[column], side);
    if (name.empty()) continue;
    if (recording.curves.count(name))
      throw Problem(path + ": expected one column for " + name + ", found another, " +
                    table.labels[column]);
    Column& curve = recording.curves[name];
    for (std::size_t row : kept) curve.push_back(table.columns[column][row]);
  }
  return recording;
}

std::vector<std::pair<double, double>> read_events(const std::string& path) {
  const std::string content = read_whole(path);
  const Table table = read_table(path, split(content, '\n'), 0);
  const Column *start = nullptr, *end = nullptr;
  for (std::size_t column = 0; column < table.labels.size(); ++column) {
    if (lower(table.labels[column]) == "start") start = &table.columns[column];
    if (lower(table.labels[column]) == "end") end = &table.columns[column];
  }
  if (!start || !end) throw Problem(path + ", line 1: expected columns start and end");
  std::vector<std::pair<double, double>> cycles;
  for (std::size_t row = 0; row < start->size(); ++row)
    cycles.emplace_back((*start)[row], (*end)[row]);
  check_cycles(path, cycles);
  return cycles;
}

std::map<std::string, Column> read_cycle(const std::string& path) {
  const std::string content = read_whole(path);
  const Table table = read_table(path, split(content, '\n'), 0);
  if (table.lines.size() != kSamples)
    throw Problem(path + ": expected " + std::to_string(kSamples) + " rows, found " +
                  std::to_string(table.lines.size()));
  std::map<std::string, Column> found;
  for (std::size_t column = 0; column < table.labels.size(); ++column)
    if (!found.emplace(table.labels[column], table.columns[column]).second)
      throw Problem(path + ": expected each column once, found two columns " +
                    table.labels[column]);
  return found;
}
