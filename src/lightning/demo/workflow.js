/**
 * The workflow that the demo draws: its steps, its paths, and where the steps stand.
 *
 * Only data. Every workflow id shows this one drawing; the id chooses the people, not the picture.
 *
 * `wide` and `tall` are columns and rows of the two layouts, in units of `LAYOUTS`, which are SVG user units.
 */

export const CARD = { width: 224, height: 74 };

/** Distance between columns and rows, and on which side of a card its paths leave. */
export const LAYOUTS = {
  wide: { column: 306, row: 150, flow: "right" },
  tall: { column: 244, row: 152, flow: "down" },
};

export const STEPS = [
  {
    id: "intake", icon: "bolt", tone: "amber",
    title: "New patient", note: "Webhook trigger",
    wide: [0, 1], tall: [0.5, 0],
  },
  {
    id: "check", icon: "check", tone: "indigo",
    title: "Validate record", note: "Schema and consent",
    wide: [1, 1], tall: [0.5, 1],
  },
  {
    id: "match", icon: "search", tone: "sky",
    title: "Match patient", note: "Master patient index",
    wide: [2, 0.4], tall: [0, 2],
  },
  {
    id: "alert", icon: "bell", tone: "rose",
    title: "Notify data team", note: "Email with the reason",
    wide: [2, 1.8], tall: [1, 2],
  },
  {
    id: "store", icon: "database", tone: "emerald",
    title: "Update registry", note: "Health records",
    wide: [3, -0.15], tall: [0, 3],
  },
  {
    id: "remind", icon: "message", tone: "violet",
    title: "Send reminder", note: "SMS to the caregiver",
    wide: [3, 0.95], tall: [1, 3],
  },
];

export const PATHS = [
  { from: "intake", to: "check", label: "" },
  { from: "check", to: "match", label: "valid" },
  { from: "check", to: "alert", label: "on failure" },
  { from: "match", to: "store", label: "" },
  { from: "match", to: "remind", label: "" },
];
