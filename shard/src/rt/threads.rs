//! Plain threads: works everywhere, sleeps in its inbox.

use crate::io::reads::PreadPool;
use crate::rt::schedule::Scheduler;
use crate::rt::{Message, Seat, panic_text};
use std::panic::AssertUnwindSafe;

pub(crate) fn spawn(seat: Seat, reads: PreadPool) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(format!("shard-{}", seat.shard)).spawn(move || {
        // The starter may have given up waiting; then the stop message is on its way.
        let _ = seat.ready.send(Ok(seat.settle()));
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| run(&seat, &reads)));
        if let Err(payload) = outcome {
            (seat.death)(seat.shard, &panic_text(&*payload));
        }
    })
}

fn run(seat: &Seat, reads: &PreadPool) {
    let mut scheduler = Scheduler::new(seat.shard, seat.metrics.clone());
    loop {
        while let Ok(message) = seat.receiver.try_recv() {
            if !accept(&mut scheduler, seat, message) {
                return;
            }
        }
        if !scheduler.run_one(&seat.inbox, reads) {
            match seat.receiver.recv() {
                Ok(message) => {
                    if !accept(&mut scheduler, seat, message) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

/// False when the shard is to stop.
pub(crate) fn accept(scheduler: &mut Scheduler, seat: &Seat, message: Message) -> bool {
    match message {
        Message::Submit(class, work, sent) => {
            seat.metrics.wakeup(sent.elapsed());
            seat.metrics.queued.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            scheduler.submit(class, work);
        }
        Message::Wake(task) => scheduler.wake(task),
        Message::Stop => return false,
    }
    true
}
