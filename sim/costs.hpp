// What the simulated hypervisor's own work takes, in instructions: the instruction is the clock's unit under
// -icount, so one calibration serves every length of it. Never holds a guest's own work.
#pragma once

#include "abi/types.hpp"

#include <array>

namespace bulkhead::sim {

// Defaults are zero; `bulkhead calibrate` measures them on the hypervisor.
struct Costs {
    std::int64_t mark = 0;          // a guest's mark, from its last instruction until the record
    std::int64_t notify = 0;        // an event sent, until it is pending at its target
    std::int64_t signal = 0;        // more, until a target that slept is awake
    std::int64_t sent = 0;          // what is left of sending an event after that
    std::int64_t timer = 0;         // a deadline set before a block
    std::int64_t wait = 0;          // a block, until the vCPU counts as blocked
    std::int64_t poll = 0;          // a poll with a deadline, until the vCPU counts as blocked
    std::int64_t yield = 0;         // a yield, until it is known whether somebody waits
    std::int64_t cede = 0;          // more, if somebody does, until the scheduler is asked
    std::int64_t control = 0;       // a control call of domain 0, until it takes effect
    std::int64_t shutdown = 0;      // a guest's end
    std::int64_t fault = 0;         // a page fault, until its handler runs, and the way back from there
    std::int64_t junk = 0;          // a call with random arguments
    std::int64_t leave = 0;         // from the end of a call or interrupt to the guest's next instruction
    std::int64_t interrupt = 0;     // from a timer's or another pCPU's interrupt until timers are looked at
    std::int64_t fire = 0;          // one vCPU's timer expires, until it is awake
    std::int64_t expire = 0;        // one vCPU's poll is over, until it is awake
    std::int64_t woke = 0;          // what is left of that once its vCPU is awake
    std::int64_t kick = 0;          // more, if a pCPU that works is asked to pick then
    std::int64_t stop = 0;          // a vCPU is taken off the pCPU
    std::int64_t release = 0;       // the policy is told, until it is asked for another
    std::int64_t requeue = 0;       // more, if its slice is over
    std::int64_t give_way = 0;      // more, if it has yielded
    std::int64_t step_back = 0;     // more, if it was preempted
    std::int64_t pick = 0;          // the policy is asked, until its choice is made
    std::int64_t rest = 0;          // more, if no vCPU can run and the pCPU halts
    std::int64_t resume = 0;        // before the chosen vCPU goes on
    std::int64_t load = 0;          // more, if another's registers were on the pCPU
    std::int64_t idle_exit = 0;     // from the interrupt that ends a halt until timers are looked at
    std::int64_t housekeeping = 0;  // the hypervisor's own 10 ms timer, for each domain
    std::int64_t upcall = 0;        // guest: from its event callback back to its own work
    std::int64_t wait_check = 0;    // guest: before each block, and once more after the upcall
    std::int64_t glue = 0;          // guest: around each call
    std::int64_t loop = 0;          // guest: around each operation of 1000 instructions
    std::int64_t ask = 0;           // guest: a pinger, before each request
    std::int64_t take = 0;          // guest: a pinger, after each reply
    std::int64_t serve = 0;         // guest: a responder, around each request's work
    std::int64_t job = 0;           // guest: a periodic task, around each job's work
    std::int64_t handler = 0;       // guest: its handler of a page fault
    std::int64_t junk_own = 0;      // guest: makes up the arguments of such a call
    std::int64_t frame = 0;         // a frame that a guest asks for, gets and maps
    std::int64_t refusal = 0;       // a frame that it asks for in vain, and another page's that it maps
    std::int64_t give = 0;          // a frame that it gives back
    std::int64_t fault_own = 0;     // guest: around each page that it gives a frame
    std::int64_t page_out = 0;      // guest: more, if another page goes out for it
    std::int64_t give_own = 0;      // guest: around each frame that it gives back
    std::int64_t page = 0;          // guest: around the work for each page that it uses
    std::int64_t look = 0;          // guest: passes a page that has a frame
    std::int64_t disk_take = 0;     // a guest's request, until it is queued
    std::int64_t disk_segment = 0;  // more, for each further page of it
    std::int64_t disk_queue = 0;    // what is left of that, before the guest goes on
    std::int64_t disk_next = 0;     // the ring policy is asked, until the drive has its choice
    std::int64_t disk_done = 0;     // the drive is done with a request, until it can have another
    std::int64_t disk_answer = 0;   // after that, until the request is answered
    std::int64_t disk_sector = 0;   // more, for each sector that is copied
    std::int64_t disk_page = 0;     // more, for each further page
    std::int64_t disk_rest = 0;     // what is left of that
    std::int64_t disk_own = 0;      // guest: before it asks, after an answer
    std::int64_t power_on = 0;      // before domain 0 runs, if there is one guest
    std::int64_t power_on_more = 0; // and for each further one
    std::int64_t power_on_mib = 0;  // and for each MiB of the machine
    std::int64_t boot = 0;          // domain 0 before it creates the first guest, if there is one guest
    std::int64_t boot_more = 0;     // and for each further one
    std::int64_t create = 0;        // domain 0 before it creates a guest's domain
    std::int64_t build = 0;         // and then, until the first guest is built
    std::int64_t build_more = 0;    // more for a guest, for each that is built already
    std::int64_t survey = 0;        // domain 0, from the last guest's start until it sleeps
    std::int64_t order = 0;         // domain 0, from its waking until it carries out an entry of the timeline
    std::int64_t settle = 0;        // domain 0, after that until it sleeps
    std::int64_t destroy = 0;       // domain 0 takes a guest down
    std::int64_t swap = 0;          // pCPUs are stopped for another policy, until that is loaded
    std::int64_t takeover = 0;      // more, until it is asked for the first time
    std::int64_t start = 0;         // a guest's own start, until it begins its workload
};

struct CostField {
    const char* name;
    std::int64_t Costs::* field;
    const char* help;
};

inline constexpr std::array cost_fields{
    CostField{"mark", &Costs::mark, "a guest's mark, until its record"},
    CostField{"notify", &Costs::notify, "an event sent, until it is pending at its target"},
    CostField{"signal", &Costs::signal, "more, until a target that slept is awake"},
    CostField{"sent", &Costs::sent, "what is left of sending an event after that"},
    CostField{"timer", &Costs::timer, "a deadline set before a block"},
    CostField{"wait", &Costs::wait, "a block, until the vCPU is blocked"},
    CostField{"poll", &Costs::poll, "a poll with a deadline, until the vCPU is blocked"},
    CostField{"yield", &Costs::yield, "a yield, until it is known whether somebody waits"},
    CostField{"cede", &Costs::cede, "more, if somebody does, until the scheduler is asked"},
    CostField{"control", &Costs::control, "a control call of domain 0, until it takes effect"},
    CostField{"shutdown", &Costs::shutdown, "a guest's end"},
    CostField{"fault", &Costs::fault, "a page fault's way to the guest's handler, and back"},
    CostField{"junk", &Costs::junk, "a call with random arguments"},
    CostField{"leave", &Costs::leave, "from the end of a call or interrupt to the guest's next instruction"},
    CostField{"interrupt", &Costs::interrupt, "from an interrupt until timers are looked at"},
    CostField{"fire", &Costs::fire, "one vCPU's timer expires, until it is awake"},
    CostField{"expire", &Costs::expire, "one vCPU's poll is over, until it is awake"},
    CostField{"woke", &Costs::woke, "what is left of that once its vCPU is awake"},
    CostField{"kick", &Costs::kick, "more, if a pCPU that works is asked to pick"},
    CostField{"stop", &Costs::stop, "a vCPU is taken off its pCPU"},
    CostField{"release", &Costs::release, "the policy is told that it stopped"},
    CostField{"requeue", &Costs::requeue, "more, if its slice is over"},
    CostField{"give_way", &Costs::give_way, "more, if it has yielded"},
    CostField{"step_back", &Costs::step_back, "more, if it was preempted"},
    CostField{"pick", &Costs::pick, "the policy is asked, until its choice is made"},
    CostField{"rest", &Costs::rest, "more, if nobody can run and the pCPU halts"},
    CostField{"resume", &Costs::resume, "before the chosen vCPU goes on"},
    CostField{"load", &Costs::load, "more, if another's registers were on the pCPU"},
    CostField{"idle_exit", &Costs::idle_exit,
              "from the interrupt that ends a halt until timers are looked at"},
    CostField{"housekeeping", &Costs::housekeeping, "the hypervisor's own 10 ms timer, for each domain"},
    CostField{"upcall", &Costs::upcall, "guest: from its event callback back to its own work"},
    CostField{"wait_check", &Costs::wait_check, "guest: before each block, and once more after the upcall"},
    CostField{"glue", &Costs::glue, "guest: around each call"},
    CostField{"loop", &Costs::loop, "guest: around each operation of 1000 instructions"},
    CostField{"ask", &Costs::ask, "guest: a pinger, before each request"},
    CostField{"take", &Costs::take, "guest: a pinger, after each reply"},
    CostField{"serve", &Costs::serve, "guest: a responder, around the work for each request"},
    CostField{"job", &Costs::job, "guest: a periodic task, around the work of each job"},
    CostField{"handler", &Costs::handler, "guest: its handler of a page fault"},
    CostField{"junk_own", &Costs::junk_own, "guest: makes up the arguments of a random call"},
    CostField{"frame", &Costs::frame, "a frame that a guest asks for, gets and maps"},
    CostField{"refusal", &Costs::refusal, "a frame asked for in vain, and another page's mapped instead"},
    CostField{"give", &Costs::give, "a frame that a guest gives back"},
    CostField{"fault_own", &Costs::fault_own, "guest: around each page that it gives a frame"},
    CostField{"page_out", &Costs::page_out, "guest: more, if another page goes out for it"},
    CostField{"give_own", &Costs::give_own, "guest: around each frame that it gives back"},
    CostField{"page", &Costs::page, "guest: around the work for each page that it uses"},
    CostField{"look", &Costs::look, "guest: passes a page that has a frame"},
    CostField{"disk_take", &Costs::disk_take, "a guest's block request, until it is queued"},
    CostField{"disk_segment", &Costs::disk_segment, "more, for each further page of it"},
    CostField{"disk_queue", &Costs::disk_queue, "what is left of that"},
    CostField{"disk_next", &Costs::disk_next, "the ring policy is asked, until the drive has its choice"},
    CostField{"disk_done", &Costs::disk_done, "the drive is done, until it can have another request"},
    CostField{"disk_answer", &Costs::disk_answer, "after that, until the request is answered"},
    CostField{"disk_sector", &Costs::disk_sector, "more, for each sector that is copied"},
    CostField{"disk_page", &Costs::disk_page, "more, for each further page"},
    CostField{"disk_rest", &Costs::disk_rest, "what is left of that"},
    CostField{"disk_own", &Costs::disk_own, "guest: before it asks for more, after an answer"},
    CostField{"power_on", &Costs::power_on, "before domain 0 runs, if there is one guest"},
    CostField{"power_on_more", &Costs::power_on_more, "and for each further one"},
    CostField{"power_on_mib", &Costs::power_on_mib, "and for each MiB of the machine"},
    CostField{"boot", &Costs::boot, "domain 0 before it creates the first guest, if there is one guest"},
    CostField{"boot_more", &Costs::boot_more, "and for each further one"},
    CostField{"create", &Costs::create, "domain 0 before it creates a guest's domain"},
    CostField{"build", &Costs::build, "and then, until the first guest is built"},
    CostField{"build_more", &Costs::build_more, "more for a guest, for each that is built already"},
    CostField{"survey", &Costs::survey, "domain 0, from the last guest's start until it sleeps"},
    CostField{"order", &Costs::order, "domain 0, from its waking until it carries out an entry"},
    CostField{"settle", &Costs::settle, "domain 0, after an entry of the timeline until it sleeps"},
    CostField{"destroy", &Costs::destroy, "domain 0 takes a guest down"},
    CostField{"swap", &Costs::swap, "pCPUs are stopped for another policy, until that is loaded"},
    CostField{"takeover", &Costs::takeover, "more, until it is asked for the first time"},
    CostField{"start", &Costs::start, "a guest's own start, until it begins its workload"},
};
static_assert(sizeof(Costs) == cost_fields.size() * sizeof(std::int64_t), "each cost has its row");

// Every cost times the length of an instruction.
[[nodiscard]] constexpr Costs in_nanoseconds(Costs costs, Nanos instruction) {
    for (const CostField& row : cost_fields)
        costs.*row.field *= instruction.count();
    return costs;
}

} // namespace bulkhead::sim
