//! Chance with a seed: `SplitMix64` (Steele, Lea and Flood, 2014).

use std::cell::Cell;

/// A source of numbers that is the same for the same seed.
pub struct Random(Cell<u64>);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    pub fn number(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        mix(self.0.get())
    }

    /// From 0 to below 1.
    pub fn unit(&self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to below `count`.
    pub fn below(&self, count: usize) -> usize {
        ((u128::from(self.number()) * count as u128) >> 64) as usize
    }

    /// Between two bounds, evenly.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + (self.unit() * (high - low) as f64) as u64
    }

    /// The pause between events that happen so often a second on average, in microseconds.
    pub fn pause(&self, per_second: f64) -> u64 {
        (-(1.0 - self.unit()).ln() * 1e6 / per_second) as u64
    }
}

/// A number that nobody would guess from the other.
pub const fn mix(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Some do much more than others: the weight of rank `n` is `1 / n^exponent`. Drawn by Walker's alias method.
pub struct Zipf {
    keep: Vec<f64>,
    alias: Vec<u32>,
}

impl Zipf {
    pub fn new(count: usize, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=count).map(|rank| (rank as f64).powf(-exponent)).collect();
        let mean = weights.iter().sum::<f64>() / count as f64;
        let mut keep: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let mut alias = vec![0; count];
        let (mut small, mut large): (Vec<_>, Vec<_>) = (0..count).partition(|rank| keep[*rank] < 1.0);
        while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
            alias[poor] = rich as u32;
            keep[rich] -= 1.0 - keep[poor];
            if keep[rich] < 1.0 { small.push(rich) } else { large.push(rich) }
        }
        for rank in small.into_iter().chain(large) {
            keep[rank] = 1.0;
        }
        Self { keep, alias }
    }

    pub fn draw(&self, random: &Random) -> usize {
        let rank = random.below(self.keep.len());
        if random.unit() < self.keep[rank] { rank } else { self.alias[rank] as usize }
    }
}
