// Refines gait cycles with an exported file, using only LiteRT; see README.md.

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "cycle.h"
#include "litert_version.h"
#include "problem.h"
#include "refiner.h"

namespace {

const char* const kUsage =
    "usage: refine_file MODEL.tflite ACTIVATION.sto --side left|right\n"
    "                   (--start SECONDS --end SECONDS | --events FILE.csv) [-o FILE.sto]\n"
    "       refine_file MODEL.tflite --cycle FILE.csv [-o FILE.csv]\n";

struct Arguments {
  std::string model, activation, side, events, cycle, output;
  std::optional<double> start, end;
};

double seconds(const std::string& text) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  double value = 0;
  if (!(stream >> value) || !stream.eof())
    throw Problem("expected a number of seconds, found " + text);
  return value;
}

Arguments parsed(int count, char** words) {
  Arguments found;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const bool option = word.size() > 1 && word[0] == '-';
    if (option && i + 1 == count) throw Problem(word + ": expected a value after it, found none");
    if (word == "--side") found.side = words[++i];
    else if (word == "--events") found.events = words[++i];
    else if (word == "--cycle") found.cycle = words[++i];
    else if (word == "-o") found.output = words[++i];
    else if (word == "--start") found.start = seconds(words[++i]);
    else if (word == "--end") found.end = seconds(words[++i]);
    else if (option)
      throw Problem(word + ": no such option; run refine_file without arguments to list them");
    else if (found.model.empty()) found.model = word;
    else if (found.activation.empty()) found.activation = word;
    else throw Problem("expected one model and one activation file, also found " + word);
  }
  if (found.cycle.empty() == found.activation.empty())
    throw Problem("expected an activation file, or --cycle with a CSV file of one cycle");
  if (!found.cycle.empty()) return found;
  if (found.side != "left" && found.side != "right")
    throw Problem("expected --side left or --side right");
  if (found.start.has_value() != found.end.has_value() ||
      found.start.has_value() == !found.events.empty())
    throw Problem("expected either --start and --end, or --events");
  return found;
}

void write_number(std::ostream& out, double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  out << text;
}

// One cycle from a CSV file: 20 rows in, 20 rows out.
std::string refined_cycle(Refiner& refiner, const std::string& path) {
  std::vector<Column> curves;
  try {
    curves = refiner.refine(read_cycle(path));
  } catch (const Problem& problem) {
    const std::string message = problem.what();
    throw Problem(message.rfind(path, 0) == 0 ? message : path + ": " + message);
  }
  std::ostringstream out;
  for (std::size_t i = 0; i < curves.size(); ++i)
    out << (i ? "," : "") << refiner.metadata().muscles[i].name;
  for (std::size_t sample = 0; sample < kSamples; ++sample)
    for (std::size_t i = 0; i < curves.size(); ++i) {
      out << (i ? "," : "\n");
      write_number(out, curves[i][sample]);
    }
  out << "\n";
  return out.str();
}

std::string storage_text(const Refiner& refiner, char side, const Column& time,
                         const std::vector<Column>& columns) {
  std::ostringstream out;
  out << "Refined muscle activity\nversion=1\nnRows=" << time.size()
      << "\nnColumns=" << columns.size() + 1 << "\ninDegrees=no\nendheader\ntime";
  for (const auto& muscle : refiner.metadata().muscles) out << "\t" << muscle.name << "_" << side;
  out << "\n";
  for (std::size_t row = 0; row < time.size(); ++row) {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", time[row]);
    out << text;
    for (const Column& column : columns) {
      out << "\t";
      write_number(out, column[row]);
    }
    out << "\n";
  }
  return out.str();
}

// Refines a recording cycle by cycle on its own rows; a row shared by two cycles gets the mean.
std::string refined_recording(Refiner& refiner, const Arguments& given) {
  const char side = given.side[0];
  const Recording recording = read_activations(given.activation, side);
  const auto& channels = refiner.metadata().channels;
  for (const std::string& name : channels)
    if (!recording.curves.count(name))
      throw Problem(given.activation + ": expected a column with the activation of " + name + " (" +
                    given.side + " leg ipsilateral), found none");
  Cycles cycles;
  if (given.start) {
    cycles = {{*given.start, *given.end}};
    check_cycles("--start and --end", cycles);
  } else {
    cycles = read_events(given.events);
  }
  std::vector<Column> total(refiner.metadata().muscles.size(), Column(recording.time.size(), 0.0));
  std::vector<int> count(recording.time.size(), 0);
  std::size_t refined = 0;
  std::vector<std::string> left_out;
  for (const auto& [start, end] : cycles) {
    const std::string reason = incomplete(recording, channels, start, end);
    if (!reason.empty()) {
      std::ostringstream note;
      note << "cycle " << start << " to " << end << " s left out: " << reason;
      left_out.push_back(note.str());
      continue;
    }
    std::map<std::string, Column> samples;
    for (const std::string& name : channels)
      samples[name] = resampled_cycle(recording.time, recording.curves.at(name), start, end);
    const std::vector<Column> curves = refiner.refine(samples);
    for (std::size_t row = 0; row < recording.time.size(); ++row) {
      if (!within(recording, recording.time[row], start, end)) continue;
      const double share = std::min(std::max((recording.time[row] - start) / (end - start), 0.0), 1.0);
      const double place = share * (kSamples - 1);
      const std::size_t before = std::min(static_cast<std::size_t>(place), kSamples - 2);
      for (std::size_t i = 0; i < curves.size(); ++i)
        total[i][row] += curves[i][before] + (curves[i][before + 1] - curves[i][before]) *
                                                 (place - static_cast<double>(before));
      ++count[row];
    }
    ++refined;
  }
  if (refined == 0)
    throw Problem(given.activation + ": expected a complete cycle, found none among " +
                  std::to_string(cycles.size()) + (left_out.empty() ? "" : "; " + left_out[0]));
  for (const std::string& note : left_out) std::cerr << note << "\n";
  Column time;
  std::vector<Column> columns(total.size());
  for (std::size_t row = 0; row < recording.time.size(); ++row) {
    if (count[row] == 0) continue;
    time.push_back(recording.time[row]);
    for (std::size_t i = 0; i < total.size(); ++i) columns[i].push_back(total[i][row] / count[row]);
  }
  std::cerr << refined << " of " << cycles.size() << " cycles refined, " << time.size() << " of "
            << recording.time.size() << " rows\n";
  return storage_text(refiner, side, time, columns);
}

// Writes a temporary file, then renames it: the output is complete or absent.
void write_whole(const std::string& path, const std::string& text) {
  const std::string unfinished = path + ".part";
  {
    std::ofstream stream(unfinished, std::ios::binary);
    stream << text;
    if (!stream.flush()) {
      std::remove(unfinished.c_str());
      throw Problem(path + ": cannot write the file");
    }
  }
  std::filesystem::rename(unfinished, path);
}

}  // namespace

int main(int count, char** words) {
  if (count == 1) {
    std::cerr << kUsage;
    return 2;
  }
  try {
    const Arguments given = parsed(count, words);
    check_litert_version();
    Refiner refiner(given.model);
    const std::string text = given.cycle.empty() ? refined_recording(refiner, given)
                                                 : refined_cycle(refiner, given.cycle);
    if (given.output.empty())
      std::cout << text;
    else
      write_whole(given.output, text);
    return 0;
  } catch (const std::exception& problem) {
    std::cerr << "refine_file: error: " << problem.what() << "\n";
    return 2;
  }
}
