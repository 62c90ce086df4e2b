//! Processor work of a given size.
//!
//! Owns the work itself. How much of it a request may ask for is [`limits`](crate::serve::limits)'s.

/// Rounds between two looks at what else the thread has to do: about 100 microseconds.
const CHUNK_ROUNDS: u32 = 10_000;

/// Does `rounds` rounds, about 10 nanoseconds each, and returns their result, which depends on
/// `rounds` alone. Lets the thread's other work have its turn every now and then.
pub(crate) async fn work(rounds: u32) -> u64 {
    let mut state = u64::from(rounds);
    let mut left = rounds;
    while left > CHUNK_ROUNDS {
        state = hash(state, CHUNK_ROUNDS);
        left -= CHUNK_ROUNDS;
        tokio::task::yield_now().await;
    }
    hash(state, left)
}

/// Each step needs the one before, so that neither compiler nor processor can do them together.
fn hash(mut state: u64, rounds: u32) -> u64 {
    for _ in 0..rounds {
        for _ in 0..4 {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            state = (state ^ (state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
            state ^= state >> 29;
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn chunks_do_not_change_the_result() {
        for rounds in [0, 1, CHUNK_ROUNDS, CHUNK_ROUNDS + 1, 3 * CHUNK_ROUNDS + 7] {
            assert_eq!(work(rounds).await, hash(u64::from(rounds), rounds));
        }
    }

    #[tokio::test]
    async fn more_work_is_another_result() {
        assert_ne!(work(1).await, work(2).await);
    }

    #[tokio::test]
    async fn large_work_gives_others_their_turn() {
        assert!(work(CHUNK_ROUNDS).now_or_never().is_some());
        assert!(work(CHUNK_ROUNDS + 1).now_or_never().is_none());
    }
}
