// Reads OpenSim storage files, and CSV files with column names in the first line.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

using Column = std::vector<double>;

struct Recording {
  Column time;                           // s, increasing
  double same_time = 0;                  // s; tolerance for rounded time stamps
  std::map<std::string, Column> curves;  // by channel, such as soleus_ipsi
};

// Reads activations, labels in any of OpenSim's styles: soleus_l, soleus_l.activation,
// /forceset/soleus_l/activation. `side` is the leg that is ipsilateral, 'l' or 'r'. Throws Problem
// with file and line.
Recording read_activations(const std::string& path, char side);

// Reads columns start and end of an events file.
std::vector<std::pair<double, double>> read_events(const std::string& path);

// Reads one cycle of 20 rows, one column per channel.
std::map<std::string, Column> read_cycle(const std::string& path);
