// The sampler of pages when memory is short: a domain that gets no frame for its watches is not sampled, and
// all else goes on.
#include "hv/plugin/page_sampler.hpp"
#include "tests/unit/mm_fixture.hpp"

#include <vector>

namespace bulkhead::hv {

namespace {
std::vector<DomainId> reported;
Domain* billed = nullptr;
} // namespace

void bill_to(Domain* domain) { billed = domain; }
void trace_event(trace::Event, const Domain&, std::uint64_t, std::uint64_t) {}

namespace host {

namespace {

class SamplerTest : public MemoryTest {
  protected:
    SamplerTest() {
        reported.clear();
        for (Domain* const domain : {&dom0, &guest}) {
            space = make_space(*domain);
            for (unsigned i = 0; i < pages; ++i)
                words(space.l1)[i] = writable_entry(page(*domain)) | entry::accessed;
            run_on(*domain, space);
            domain->ledger = &ledger;
        }
        page_sampler::start(pages, 1);
    }
    ~SamplerTest() override { page_sampler::start(0, 1); }

    // A period in which both domains ran.
    static void period() {
        ledger.guest_ns += milliseconds(5).count();
        while (!page_sampler::draw())
            ;
        while (!page_sampler::look([](Domain& domain, const PagesSeen&) { reported.push_back(domain.id); }))
            ;
    }
    std::vector<Mfn> take_all() {
        std::vector<Mfn> taken;
        while (const auto mfn = frame_table().allocate_for_hypervisor())
            taken.push_back(*mfn);
        return taken;
    }

    static constexpr unsigned pages = 64;
    static inline landmark::LedgerEntry ledger{};
    Space space;
};

} // namespace

TEST_F(SamplerTest, WithoutAFrameForItsWatchesADomainIsNotSampled) {
    page_sampler::admit(dom0);
    ASSERT_NE(dom0.allotment.sample.watches, nullptr);
    const auto taken = take_all();
    page_sampler::admit(guest);
    EXPECT_EQ(guest.allotment.sample.watches, nullptr);
    period();
    EXPECT_EQ(reported, std::vector{dom0.id});
    EXPECT_EQ(guest.allotment.sample.count, 0U);
    EXPECT_EQ(billed, nullptr);
    EXPECT_EQ(audit(), 0U) << world.machine.console;

    page_sampler::depart(guest);
    EXPECT_EQ(frame_table().free_frames(), 0U) << "it had none";
    page_sampler::depart(dom0);
    EXPECT_EQ(frame_table().free_frames(), 1U);
    for (const auto mfn : taken)
        frame_table().free_for_hypervisor(mfn);
}

// The same domain is sampled if it is admitted once there is memory.
TEST_F(SamplerTest, WithAFrameItIs) {
    const auto free = frame_table().free_frames();
    page_sampler::admit(guest);
    period();
    EXPECT_EQ(reported, std::vector{guest.id});
    page_sampler::depart(guest);
    EXPECT_EQ(frame_table().free_frames(), free);
}

} // namespace host

} // namespace bulkhead::hv
