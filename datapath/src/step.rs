use twinrail_datapath_sys::Readiness;

use crate::driver::Engine;
use crate::rail::Nanos;

/// One turn of an engine, with everything taken for ready.
pub(crate) fn turn(engine: &mut impl Engine, tokens: impl Iterator<Item = u64>, tick: bool, now: Nanos) {
    engine.begin(now);
    for token in tokens {
        engine.ready(Readiness { token, readable: true, error: false }, now);
    }
    if tick {
        engine.tick(now);
    }
    engine.finish(now, true);
}
