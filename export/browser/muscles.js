/** Muscle names, and column labels of storage files in any of OpenSim's styles. */

/** Canonical name to its aliases, as in nem2e_tf/muscles.py. */
export const MUSCLES = {
  glmed1: ["glut_med1"],
  glmed2: ["glut_med2"],
  glmed3: ["glut_med3"],
  glmin1: ["glut_min1"],
  glmin2: ["glut_min2"],
  glmin3: ["glut_min3"],
  semimem: ["sem", "semimembranosus"],
  semiten: ["semitendinosus"],
  bflh: ["bifemlh", "bi", "biceps_femoris", "biceps_femoris_long_head"],
  bfsh: ["bifemsh", "biceps_femoris_short_head"],
  sart: ["sar", "sartorius"],
  addlong: [],
  addbrev: [],
  add_mag1: [],
  add_mag2: [],
  add_mag3: [],
  tfl: [],
  pect: [],
  grac: ["gracilis"],
  glmax1: ["glut_max1"],
  glmax2: ["glut_max2"],
  glmax3: ["glut_max3"],
  iliacus: [],
  psoas: [],
  quad_fem: [],
  gem: [],
  piri: ["peri", "piriformis"],
  recfem: ["rect_fem", "rect", "rectus_femoris"],
  vasmed: ["vastus_medialis"],
  vasint: ["vastus_intermedius"],
  vaslat: ["vastus_lateralis"],
  gasmed: ["med_gas", "gastrocnemius_medialis", "medial_gastrocnemius"],
  gaslat: ["lat_gas", "gastrocnemius_lateralis", "lateral_gastrocnemius"],
  soleus: [],
  tibpost: ["tibialis_posterior"],
  fdl: ["flex_dig"],
  fhl: ["flex_hal"],
  tibant: ["tib", "tibialis_anterior"],
  perbrev: ["peroneus_brevis"],
  perlong: ["peroneus_longus"],
  per_tert: ["peroneus_tertius"],
  edl: ["ext_dig"],
  ehl: ["ext_hal"],
  ercspn: [],
  intobl: [],
  extobl: [],
  addmagDist: [],
  addmagIsch: [],
  addmagMid: [],
  addmagProx: [],
  hamstrings: [],
  glut_max: [],
  iliopsoas: [],
  vasti: [],
  gastroc: [],
};

const CANONICAL = new Map();
for (const [name, aliases] of Object.entries(MUSCLES)) {
  for (const alias of [name, ...aliases]) CANONICAL.set(key(alias), name);
}

/**
 * Reads a column label.
 *
 * @param {string} label Such as `soleus_r`, `soleus_r.activation`, `/forceset/soleus_r/activation`.
 *   A bare name is an activation; a bare path is an excitation, as Moco writes it.
 * @returns {?{muscle: string, side: string, quantity: string}} Canonical name, side "r", "l" or "",
 *   "activation" or "excitation"; null for any other label.
 */
export function parseLabel(label) {
  const text = label.trim();
  const at = text.lastIndexOf("forceset/");
  const rest = (at < 0 ? text : text.slice(at + 9)).replace(/^\/+|\/+$/g, "");
  let [name, ...quantities] = rest.split(/[./|]/);
  if (!quantities.length && at >= 0) quantities = ["excitation"];
  if (!quantities.length) {
    const suffix = /^(.+)_(activation|excitation)$/i.exec(name);
    [name, quantities] = suffix ? [suffix[1], [suffix[2]]] : [name, ["activation"]];
  }
  const quantity = quantities[0].toLowerCase();
  if (quantities.length > 1 || !["activation", "excitation"].includes(quantity)) return null;
  const sided = /^(.+)_(r|l|right|left)$/i.exec(name);
  const muscle = CANONICAL.get(key(sided ? sided[1] : name));
  if (!muscle) return null;
  return { muscle, side: sided ? sided[2][0].toLowerCase() : "", quantity };
}

function key(name) {
  return name.replace(/[_\-\s]/g, "").toLowerCase();
}
