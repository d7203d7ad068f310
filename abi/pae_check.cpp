// Compares abi/pae.hpp with the ABI's own headers. Compiled for 32 bits and linked into nothing.
#include "abi/pae.hpp"

#include <xen/callback.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/xen.h>

namespace bulkhead::pae_abi {

static_assert(sizeof(void*) == 4);

#define SAME_SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs))
#define SAME_PLACE(ours, field, theirs, their_field)                                                         \
    static_assert(offsetof(ours, field) == offsetof(theirs, their_field))

SAME_SIZE(TrapInfo, trap_info_t);
SAME_PLACE(TrapInfo, cs, trap_info_t, cs);
SAME_PLACE(TrapInfo, address, trap_info_t, address);
SAME_SIZE(MmuextOp, mmuext_op_t);
SAME_PLACE(MmuextOp, arg1, mmuext_op_t, arg1);
SAME_PLACE(MmuextOp, arg2, mmuext_op_t, arg2);
SAME_SIZE(MulticallEntry, multicall_entry_t);
SAME_PLACE(MulticallEntry, result, multicall_entry_t, result);
SAME_PLACE(MulticallEntry, args, multicall_entry_t, args);
SAME_SIZE(CallbackRegister, callback_register_t);
SAME_PLACE(CallbackRegister, flags, callback_register_t, flags);
SAME_PLACE(CallbackRegister, cs, callback_register_t, address.cs);
SAME_PLACE(CallbackRegister, eip, callback_register_t, address.eip);
SAME_SIZE(CallbackUnregister, callback_unregister_t);
SAME_SIZE(SchedPoll, sched_poll_t);
SAME_PLACE(SchedPoll, nr_ports, sched_poll_t, nr_ports);
SAME_PLACE(SchedPoll, timeout, sched_poll_t, timeout);
SAME_SIZE(MemoryReservation, xen_memory_reservation_t);
SAME_PLACE(MemoryReservation, nr_extents, xen_memory_reservation_t, nr_extents);
SAME_PLACE(MemoryReservation, extent_order, xen_memory_reservation_t, extent_order);
SAME_PLACE(MemoryReservation, domid, xen_memory_reservation_t, domid);
SAME_SIZE(MemoryMap, xen_memory_map_t);
SAME_PLACE(MemoryMap, buffer, xen_memory_map_t, buffer);
SAME_SIZE(MemoryExchange, xen_memory_exchange_t);
SAME_PLACE(MemoryExchange, out, xen_memory_exchange_t, out);
SAME_PLACE(MemoryExchange, nr_exchanged, xen_memory_exchange_t, nr_exchanged);
SAME_SIZE(MachphysMapping, xen_machphys_mapping_t);
SAME_SIZE(GnttabSetupTable, gnttab_setup_table_t);
SAME_PLACE(GnttabSetupTable, nr_frames, gnttab_setup_table_t, nr_frames);
SAME_PLACE(GnttabSetupTable, status, gnttab_setup_table_t, status);
SAME_PLACE(GnttabSetupTable, frame_list, gnttab_setup_table_t, frame_list);
SAME_SIZE(GnttabCopy, gnttab_copy_t);
SAME_PLACE(GnttabCopy, source.domid, gnttab_copy_t, source.domid);
SAME_PLACE(GnttabCopy, source.offset, gnttab_copy_t, source.offset);
SAME_PLACE(GnttabCopy, dest, gnttab_copy_t, dest);
SAME_PLACE(GnttabCopy, len, gnttab_copy_t, len);
SAME_PLACE(GnttabCopy, flags, gnttab_copy_t, flags);
SAME_PLACE(GnttabCopy, status, gnttab_copy_t, status);
static_assert(sizeof(gnttab_map_grant_ref_t) == map_grant_bytes &&
              offsetof(gnttab_map_grant_ref_t, dev_bus_addr) == map_grant_bytes - 8);
static_assert(sizeof(gnttab_unmap_grant_ref_t) == unmap_grant_bytes &&
              offsetof(gnttab_unmap_grant_ref_t, status) == unmap_grant_bytes - 4);
static_assert(sizeof(gnttab_unmap_and_replace_t) == unmap_and_replace_bytes &&
              offsetof(gnttab_unmap_and_replace_t, handle) == unmap_and_replace_bytes - 8);
static_assert(sizeof(gnttab_swap_grant_ref_t) == swap_grant_bytes);
static_assert(sizeof(gnttab_query_size_t) == query_grants_bytes);
static_assert(offsetof(vcpu_register_time_memory_area_t, addr) == 0 &&
              offsetof(vcpu_register_runstate_memory_area_t, addr) == 0);
SAME_SIZE(VcpuRunstateInfo, vcpu_runstate_info_t);
SAME_PLACE(VcpuRunstateInfo, state_entry_time, vcpu_runstate_info_t, state_entry_time);
SAME_PLACE(VcpuRunstateInfo, time, vcpu_runstate_info_t, time);
SAME_SIZE(UserRegisters, cpu_user_regs_t);
SAME_PLACE(UserRegisters, eip, cpu_user_regs_t, eip);
SAME_PLACE(UserRegisters, eflags, cpu_user_regs_t, eflags);
SAME_PLACE(UserRegisters, ss, cpu_user_regs_t, ss);
SAME_PLACE(UserRegisters, gs, cpu_user_regs_t, gs);
SAME_SIZE(VcpuGuestContext, vcpu_guest_context_t);
SAME_PLACE(VcpuGuestContext, head.flags, vcpu_guest_context_t, flags);
SAME_PLACE(VcpuGuestContext, head.user_regs, vcpu_guest_context_t, user_regs);
SAME_PLACE(VcpuGuestContext, traps, vcpu_guest_context_t, trap_ctxt);
SAME_PLACE(VcpuGuestContext, tail.gdt_frames, vcpu_guest_context_t, gdt_frames);
SAME_PLACE(VcpuGuestContext, tail.gdt_ents, vcpu_guest_context_t, gdt_ents);
SAME_PLACE(VcpuGuestContext, tail.kernel_ss, vcpu_guest_context_t, kernel_ss);
SAME_PLACE(VcpuGuestContext, tail.ctrlreg, vcpu_guest_context_t, ctrlreg);
SAME_PLACE(VcpuGuestContext, tail.event_callback_eip, vcpu_guest_context_t, event_callback_eip);
SAME_PLACE(VcpuGuestContext, tail.failsafe_callback_eip, vcpu_guest_context_t, failsafe_callback_eip);
SAME_PLACE(VcpuGuestContext, tail.vm_assist, vcpu_guest_context_t, vm_assist);
SAME_SIZE(VcpuSetSingleshotTimer, vcpu_set_singleshot_timer_t);
SAME_PLACE(VcpuSetSingleshotTimer, flags, vcpu_set_singleshot_timer_t, flags);
SAME_SIZE(BlockSegment, blkif_request_segment);
SAME_SIZE(BlockRequest, blkif_request_t);
SAME_PLACE(BlockRequest, id, blkif_request_t, id);
SAME_PLACE(BlockRequest, sector, blkif_request_t, sector_number);
SAME_PLACE(BlockRequest, seg, blkif_request_t, seg);
SAME_SIZE(BlockIndirect, blkif_request_indirect_t);
SAME_PLACE(BlockIndirect, nr_segments, blkif_request_indirect_t, nr_segments);
SAME_PLACE(BlockIndirect, id, blkif_request_indirect_t, id);
SAME_PLACE(BlockIndirect, sector, blkif_request_indirect_t, sector_number);
SAME_PLACE(BlockIndirect, grefs, blkif_request_indirect_t, indirect_grefs);
SAME_SIZE(BlockResponse, blkif_response_t);
SAME_PLACE(BlockResponse, status, blkif_response_t, status);
static_assert(sizeof(blkif_sring_entry) == block_slot_bytes &&
              offsetof(blkif_sring_t, ring) == block_ring_head);
SAME_SIZE(VcpuInfo, vcpu_info_t);
SAME_PLACE(VcpuInfo, upcall_mask, vcpu_info_t, evtchn_upcall_mask);
SAME_PLACE(VcpuInfo, pending_sel, vcpu_info_t, evtchn_pending_sel);
SAME_PLACE(VcpuInfo, cr2, vcpu_info_t, arch.cr2);
SAME_PLACE(VcpuInfo, time, vcpu_info_t, time);
SAME_SIZE(SharedInfo, shared_info_t);
SAME_PLACE(SharedInfo, evtchn_pending, shared_info_t, evtchn_pending);
SAME_PLACE(SharedInfo, evtchn_mask, shared_info_t, evtchn_mask);
SAME_PLACE(SharedInfo, wc_version, shared_info_t, wc_version);
SAME_PLACE(SharedInfo, max_pfn, shared_info_t, arch);
static_assert(max_ports == EVTCHN_2L_NR_CHANNELS);
SAME_SIZE(StartInfo, start_info_t);
SAME_PLACE(StartInfo, nr_pages, start_info_t, nr_pages);
SAME_PLACE(StartInfo, store_evtchn, start_info_t, store_evtchn);
SAME_PLACE(StartInfo, console_frame, start_info_t, console);
SAME_PLACE(StartInfo, pt_base, start_info_t, pt_base);
SAME_PLACE(StartInfo, mfn_list, start_info_t, mfn_list);
SAME_PLACE(StartInfo, cmd_line, start_info_t, cmd_line);
SAME_PLACE(StartInfo, first_p2m_pfn, start_info_t, first_p2m_pfn);

} // namespace bulkhead::pae_abi
