//! The mask penalty of ISO/IEC 18004 §7.8.3, for 64 columns at a time.
//!
//! The four rules are applied as `qrcodegen` applies them: the finder rule is met at every scale
//! (runs n:n:3n:n:n with 4n light modules on a side and n on the other), the surroundings of the
//! symbol are light, and the balance rule rounds down to whole steps of five per cent.

use super::grid::{Grid, PAD};

/// The penalty of a masked symbol. `columns` is the transposed copy of `rows`.
pub(super) fn penalty(rows: &Grid, columns: &Grid) -> u32 {
    vertical_lines(rows) + vertical_lines(columns) + blocks(rows) + balance(rows)
}

/// Rules 1 and 3 down all columns: each bit of a word is a column of its own.
fn vertical_lines(grid: &Grid) -> u32 {
    let mut score = 0;
    for (index, plane) in grid.planes().enumerate() {
        score += runs(plane, grid.columns(index)) + finders(plane);
    }
    score
}

/// Rule 1: a run of five costs three, each module more one.
fn runs(plane: &[u64], columns: u64) -> u32 {
    // A run of length n has n - 4 windows of five, and costs n - 2: its windows and two for its
    // first.
    let mut windows = 0;
    let mut firsts = 0;
    let inside = plane.get(PAD - 1..plane.len() - PAD).unwrap_or(&[]);
    for rows in inside.windows(6) {
        let &[above, a, b, c, d, e] = rows else { continue };
        let window = !((a ^ b) | (b ^ c) | (c ^ d) | (d ^ e)) & columns;
        windows += window.count_ones();
        firsts += (window & (above ^ a)).count_ones();
    }
    // The row above the first is padding: light runs at the edge have begun there.
    if let Some(&[_, a, b, c, d, e]) = inside.first_chunk::<6>() {
        firsts += (!(a | b | c | d | e) & columns).count_ones();
    }
    PENALTY_RUN * firsts + (windows - firsts)
}

/// Rule 3: what a scanner could take for a finder.
fn finders(plane: &[u64]) -> u32 {
    let mut found = 0;
    for (index, rows) in plane.windows(PAD + 11).enumerate() {
        // four rows above, the pattern's seven from a to g, four rows below
        let &[t4, t3, t2, t1, a, b, c, d, e, f, g, h, i, j, k] = rows else { continue };
        // scale 1: dark, light, three dark, light, dark, light on both sides
        let core = a & c & d & e & g & !(b | f | t1 | h);
        if core != 0 {
            let light_before = !(t2 | t3 | t4);
            let light_after = !(i | j | k);
            found += (core & light_before).count_ones() + (core & light_after).count_ones();
        }
        // larger scales turn round a run of 6, 9, ... dark modules; few rows have a candidate
        let six = a & b & c & d & e & f & !(t1 | t2);
        let mut candidates = six & (!(g | h) | (g & h & i & !t3));
        while candidates != 0 {
            found += scaled_finder(plane, index + PAD, candidates.trailing_zeros());
            candidates &= candidates - 1;
        }
    }
    PENALTY_FINDER * found
}

/// How often rule 3 counts the dark run that begins at `start` as the middle of a finder of scale
/// two or more: 0, 1 or 2 times.
fn scaled_finder(plane: &[u64], start: usize, column: u32) -> u32 {
    let dark = |row: &u64| row >> column & 1 == 1;
    let (above, from) = plane.split_at(start);
    let middle = from.iter().take_while(|row| dark(row)).count();
    let scale = middle / 3;
    if middle % 3 != 0 {
        return 0;
    }
    let flank = |rows: &mut dyn Iterator<Item = &u64>| -> Option<usize> {
        let mut runs = [0; 3]; // light, dark, light, going outward
        let mut run = 0;
        for row in rows {
            if dark(row) != (run == 1) {
                run += 1;
                if run == runs.len() {
                    break;
                }
            }
            runs[run] += 1;
        }
        if run < runs.len() {
            // the border: light without end
            *runs.last_mut()? = usize::MAX;
        }
        let [light, dark, outside] = runs;
        (run >= 2 && light == scale && dark == scale && outside >= scale).then_some(outside)
    };
    let before = flank(&mut above.iter().rev());
    let after = flank(&mut from.iter().skip(middle));
    match (before, after) {
        (Some(before), Some(after)) => {
            u32::from(before >= 4 * scale) + u32::from(after >= 4 * scale)
        }
        _ => 0,
    }
}

/// Rule 2: squares of two by two modules of one colour.
fn blocks(grid: &Grid) -> u32 {
    let mut found = 0;
    let mut planes = grid.planes().enumerate().peekable();
    while let Some((index, plane)) = planes.next() {
        // the right neighbour of a plane's last column is in the next plane
        let next = planes.peek().map(|(_, next)| *next);
        let last = next.is_none();
        let columns = if last { grid.columns(index) >> 1 } else { u64::MAX };
        let shifted = |at: usize, word: u64| {
            word >> 1 | next.and_then(|next| next.get(at)).map_or(0, |word| word << 63)
        };
        let inside = PAD..plane.len() - PAD;
        let (mut above, mut above_right) = (0, 0);
        for (at, &row) in plane.iter().enumerate().take(inside.end).skip(inside.start) {
            let right = shifted(at, row);
            if at > inside.start {
                let differ = (row ^ right) | (row ^ above) | (row ^ above_right);
                found += (!differ & columns).count_ones();
            }
            (above, above_right) = (row, right);
        }
    }
    PENALTY_BLOCK * found
}

/// Rule 4: each whole step of five per cent that the dark share is off the middle.
fn balance(grid: &Grid) -> u32 {
    let dark: u32 = grid.planes().flatten().map(|word| word.count_ones()).sum();
    let total = grid.planes().enumerate().map(|(index, _)| grid.columns(index).count_ones());
    let side: u32 = total.sum();
    let total = side * side;
    // the side is odd, so the share is never exactly one half and the quotient at least one
    let steps = (dark * 20).abs_diff(total * 10).div_ceil(total);
    PENALTY_BALANCE * steps.saturating_sub(1)
}

const PENALTY_RUN: u32 = 3;
const PENALTY_BLOCK: u32 = 3;
const PENALTY_FINDER: u32 = 40;
const PENALTY_BALANCE: u32 = 10;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "the oracle counts a few hundred modules")]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The rules as their text has them, module by module.
    fn by_module(grid: &Grid) -> u32 {
        let size = grid.size();
        let dark = |x: usize, y: usize| grid.is_dark(x, y);
        let mut score = 0;
        for line in 0..size {
            score += line_penalty(&(0..size).map(|x| dark(x, line)).collect::<Vec<_>>());
            score += line_penalty(&(0..size).map(|y| dark(line, y)).collect::<Vec<_>>());
        }
        for y in 1..size {
            for x in 1..size {
                let square = [dark(x - 1, y - 1), dark(x, y - 1), dark(x - 1, y), dark(x, y)];
                score += if square == [square[0]; 4] { 3 } else { 0 };
            }
        }
        let all = (0..size).flat_map(|y| (0..size).map(move |x| (x, y)));
        let dark = all.filter(|&(x, y)| dark(x, y)).count() as f64;
        let off = (dark / (size * size) as f64 - 0.5).abs();
        score + (1..10).take_while(|&k| off > 0.05 * f64::from(k)).map(|_| 10).sum::<u32>()
    }

    fn line_penalty(line: &[bool]) -> u32 {
        let mut score = 0;
        let mut runs = Vec::new();
        for run in line.chunk_by(bool::eq) {
            score += if run.len() >= 5 { u32::try_from(run.len()).unwrap() - 2 } else { 0 };
            runs.push((run[0], run.len()));
        }
        // the light border has no end, and joins light runs at the edge
        let border = 4 * line.len();
        match runs.first_mut() {
            Some((false, length)) => *length += border,
            _ => runs.insert(0, (false, border)),
        }
        match runs.last_mut() {
            Some((false, length)) => *length += border,
            _ => runs.push((false, border)),
        }
        for around in runs.windows(7) {
            let &[(dark, before), (_, a), (_, b), (_, c), (_, d), (_, e), (_, after)] = around
            else {
                continue;
            };
            if !dark && a == b && c == 3 * a && d == a && e == a && before >= a && after >= a {
                score += 40 * u32::from(before >= 4 * a) + 40 * u32::from(after >= 4 * a);
            }
        }
        score
    }

    fn grid(size: usize, is_dark: impl Fn(usize, usize) -> bool) -> Grid {
        let mut grid = Grid::new(size);
        for y in 0..size {
            for x in (0..size).filter(|&x| is_dark(x, y)) {
                grid.darken(x, y);
            }
        }
        grid
    }

    fn check(grid: &Grid) {
        assert_eq!(penalty(grid, &grid.transposed()), by_module(grid), "{grid:?}");
    }

    #[test]
    fn qd12_penalty_of_plain_squares() {
        for size in [21, 25, 61, 65, 125, 129, 177] {
            check(&Grid::new(size));
            check(&Grid::new(size).complement());
            check(&grid(size, |x, y| (x + y) % 2 == 0));
            check(&grid(size, |x, _| x % 7 < 5));
        }
        let light = Grid::new(21);
        // 2 x 21 runs of 21, 20 x 20 squares, nine whole steps off the middle
        assert_eq!(penalty(&light, &light), 2 * 21 * 19 + 400 * 3 + 90);
    }

    #[test]
    fn qd12_penalty_of_finders_at_every_scale() {
        // a column with n:n:3n:n:n after `lead` light modules; dark ones before and after those
        for size in [21, 61, 65, 129, 177] {
            for n in 1..=size / 7 {
                for lead in [n - 1, n, n + 1, 4 * n - 1, 4 * n, 4 * n + 1] {
                    for far in [n - 1, n, 4 * n - 1, 4 * n, size] {
                        for first in [0, 1] {
                            let start = first + lead;
                            let is_dark = |y: usize| match y {
                                _ if y < first => true,
                                _ if y < start => false,
                                _ if y < start + 7 * n => {
                                    matches!((y - start) / n, 0 | 2 | 3 | 4 | 6)
                                }
                                _ => y >= start + 7 * n + far,
                            };
                            let line: Vec<bool> = (0..size).map(is_dark).collect();
                            let mut got = Grid::new(size);
                            for y in (0..size).filter(|&y| line[y]) {
                                got.darken(size - 3, y);
                            }
                            let light = line_penalty(&[false].repeat(size));
                            let others = light * (u32::try_from(size).unwrap() - 1);
                            assert_eq!(vertical_lines(&got), line_penalty(&line) + others);
                        }
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn qd12_penalty_is_that_of_the_plain_rules(
            version in 1usize..=40,
            // long runs are likely when a module often repeats its neighbour
            repeat in 0u64..8,
            seed in any::<u64>(),
        ) {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 61
            };
            let size = 17 + 4 * version;
            let mut last = false;
            let modules: Vec<bool> = (0..size * size).map(|_| {
                if next() >= repeat {
                    last = next() < 4;
                }
                last
            }).collect();
            let rows = grid(size, |x, y| modules[y * size + x]);
            check(&rows);
            check(&rows.transposed());
        }
    }
}
