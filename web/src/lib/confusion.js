// confusion.js - what a confusion matrix says: rows are the true classes, columns the predicted ones.

/** The matrix without the classes that nothing is of and nothing was taken for. */
function occurring({ classes, matrix }) {
  const occurs = (i) => matrix.some((row, j) => row[i] > 0 || matrix[i][j] > 0);
  const kept = classes.map((_, i) => i).filter(occurs);
  return { classes: kept.map((i) => String(classes[i])), matrix: kept.map((i) => kept.map((j) => matrix[i][j])) };
}

/** The report's data as {classes, matrix, totals, right, count}, of the classes that occur; null when it is not a square
 * of numbers, or nothing was counted. */
export function readConfusion(data) {
  const { classes, matrix } = data || {};
  const n = Array.isArray(classes) ? classes.length : 0;
  const square =
    n > 0 && matrix?.length === n && matrix.every((row) => row?.length === n && row.every(Number.isFinite));
  if (!square) return null;
  const kept = occurring(data);
  if (!kept.classes.length) return null;
  const totals = kept.matrix.map((row) => row.reduce((sum, value) => sum + value, 0));
  const right = kept.matrix.reduce((sum, row, i) => sum + row[i], 0);
  return { ...kept, totals, right, count: totals.reduce((a, b) => a + b, 0) };
}

/** Of what is of a class, the share that was predicted so; NaN for a class without samples. */
export const recallOf = ({ matrix, totals }, i) => matrix[i][i] / totals[i];

/** Of what was predicted to be of a class, the share that is; NaN when nothing was. */
export function precisionOf({ matrix }, i) {
  return matrix[i][i] / matrix.reduce((sum, row) => sum + row[i], 0);
}

/** The `limit` most frequent mistakes: [{truth, predicted, count, share of the true class}]. */
export function mistakesOf({ classes, matrix, totals }, limit) {
  const all = [];
  matrix.forEach((row, i) =>
    row.forEach((count, j) => {
      if (i !== j && count > 0) all.push({ truth: classes[i], predicted: classes[j], count, share: count / totals[i] });
    }),
  );
  return all.sort((a, b) => b.count - a.count).slice(0, limit);
}

/** How strongly a cell is coloured, 0 to 1: its share of the row; of mistakes the root, since most are small shares. */
export function strengthOf({ matrix, totals }, i, j) {
  const share = totals[i] ? matrix[i][j] / totals[i] : 0;
  return i === j ? share : Math.sqrt(share);
}
