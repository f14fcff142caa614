// Sizes and addresses: read as they are typed (512M, 0x40000000), written for a reader (768 MiB) and for a command line.

const SHIFTS = { "": 0, K: 10, M: 20, G: 30, T: 40 };

// Bytes, or NaN. Numbers above 2^53 are not exact here, so they are none.
function bytes(text) {
  const found = /^(0x[0-9a-f]+|[0-9]+)([kmgt]?)$/i.exec(text.trim());
  const value = found ? Number(found[1]) * 2 ** SHIFTS[found[2].toUpperCase()] : NaN;
  return Number.isSafeInteger(value) ? value : NaN;
}

// As `Size` of the crate `experiment` has it.
function size(value) {
  const units = [[40, "TiB"], [30, "GiB"], [20, "MiB"], [10, "KiB"]];
  for (const [shift, unit] of units) {
    const count = value / 2 ** shift;
    if (Number.isInteger(count) && count >= 1 && count < 10000) {
      return `${count} ${unit}`;
    }
  }
  const unit = units.find(([shift]) => value >= 2 ** shift);
  if (unit) {
    return `${(Math.floor((value * 10) / 2 ** unit[0]) / 10).toFixed(1)} ${unit[1]}`;
  }
  return value === 1 ? "1 byte" : `${value} bytes`;
}

// The shortest that options take: 1G, 512M, 1234.
function option(value) {
  for (const suffix of ["G", "M", "K"]) {
    const count = value / 2 ** SHIFTS[suffix];
    if (Number.isInteger(count) && count > 0) {
      return `${count}${suffix}`;
    }
  }
  return String(value);
}

function address(value) {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
