//! Chance that a seed decides, the same wherever and whenever it is asked for.

/// A number without pattern for each number (splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number without pattern for each pair.
pub(crate) fn mix_in(seed: u64, number: u64) -> u64 {
    mix(seed ^ mix(number))
}
