//! In whatever pieces bytes come, and whatever they are, the same becomes of it, and nothing panics.

use fastrand::Rng;

use super::super::whole;
use super::server::Server;

pub(super) const STREAMS: u32 = 6;

#[test]
fn pieces_make_no_difference() {
    for seed in 0..2000 {
        let mut server = Server::new(seed);
        let (begin, mut rest) = (server.begins(), server.answers(STREAMS));
        if seed % 2 == 1 {
            server.spoil(&mut rest);
        }
        let mut rng = Rng::with_seed(seed);
        let pieces: Vec<_> = (0..50).map(|_| rng.usize(1..40)).collect();
        let of = |pieces: &[usize]| whole::read(&begin, &rest, STREAMS as usize, pieces);
        assert_eq!(of(&[]), of(&pieces), "seed {seed}");
    }
}
