/**
 * The host's own clock goes back, as after a leap second or a restart before the network gave it the time: what it signs then
 * is older than what it signed before. No terminal's time goes back with it (I13).
 */
import type { Joining } from "./joined.js";

/** Seconds behind; 120 and more, and the host would refuse the requests of every right clock. */
const behind = [0, 1, 5, 30, 100];

export const hostClock: Joining = {
  name: "host clock", features: ["host's clock behind"], faults: [], actions: [{ do: "set_host_clock", most: 4 }],
  equip: (draw) => draw.chance(0.15),
  act: (world, a) => {
    world.hostBehindSeconds = behind[a.arg % behind.length]!;
    if (world.hostBehindSeconds > 0) world.pairs.begins("host's clock behind"); else world.pairs.ends("host's clock behind");
  },
  heal: (world) => { world.hostBehindSeconds = 0; },
};
