// Structures of the 32-bit guest ABI, in types of fixed width, so that 64-bit code reads them.
// abi/pae_check.cpp compares each with the headers' own, compiled for 32 bits. No header of the standard
// library is needed here.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace bulkhead::pae_abi {

// The ABI aligns 64-bit values to four bytes.
using Word64 [[gnu::aligned(4)]] = uint64_t;

struct TrapInfo {
    uint8_t vector, flags;
    uint16_t cs;
    uint32_t address;
};

struct MmuextOp {
    uint32_t cmd, arg1, arg2;
};

struct MulticallEntry {
    uint32_t op;
    int32_t result;
    uint32_t args[6];
};

struct CallbackRegister {
    uint16_t type, flags;
    uint32_t cs, eip;
};

struct CallbackUnregister {
    uint16_t type, unused;
};

struct SchedPoll {
    uint32_t ports, nr_ports;
    Word64 timeout;
};

struct MemoryReservation {
    uint32_t extent_start, nr_extents, extent_order, mem_flags;
    uint16_t domid;
};

struct MemoryMap {
    uint32_t nr_entries, buffer;
};

struct MemoryExchange {
    MemoryReservation in, out;
    uint32_t nr_exchanged;
};

struct MachphysMapping {
    uint32_t v_start, v_end, max_mfn;
};

struct GnttabSetupTable {
    uint16_t dom;
    uint32_t nr_frames;
    int16_t status;
    uint32_t frame_list;
};

struct GnttabCopy {
    struct Place {
        uint32_t ref_or_frame;
        uint16_t domid, offset;
    } source, dest;
    uint16_t len, flags;
    int16_t status;
};

// Bytes of operations that have one form for both widths.
inline constexpr size_t map_grant_bytes = 32, unmap_grant_bytes = 24, unmap_and_replace_bytes = 24,
                        swap_grant_bytes = 12, query_grants_bytes = 16;

struct VcpuSetSingleshotTimer {
    Word64 timeout_abs_ns;
    uint32_t flags;
};

// Of an area for the time or the runstate: the ABI's union has 64 bits, of which a pointer is the lower half.
struct VcpuRegisterMemoryArea {
    uint32_t address;
};

struct VcpuRunstateInfo {
    int32_t state;
    Word64 state_entry_time;
    Word64 time[4];
};

struct UserRegisters {
    uint32_t ebx, ecx, edx, esi, edi, ebp, eax;
    uint16_t error_code, entry_vector;
    uint32_t eip;
    uint16_t cs;
    uint8_t saved_upcall_mask, unused;
    uint32_t eflags, esp;
    uint32_t ss, es, ds, fs, gs; // upper halves are padding
};

struct VcpuGuestContext {
    char fpu[512];
    struct Head {
        uint32_t flags;
        UserRegisters user_regs;
    } head;
    TrapInfo traps[256];
    struct Tail {
        uint32_t ldt_base, ldt_ents;
        uint32_t gdt_frames[16], gdt_ents;
        uint32_t kernel_ss, kernel_sp;
        uint32_t ctrlreg[8];
        uint32_t debugreg[8];
        uint32_t event_callback_cs, event_callback_eip, failsafe_callback_cs, failsafe_callback_eip;
        uint32_t vm_assist;
    } tail;
};

// Of a block ring, after its producers' page head, which both widths have alike.
struct BlockSegment {
    uint32_t gref;
    uint8_t first_sect, last_sect;
};
struct BlockRequest {
    uint8_t operation, nr_segments;
    uint16_t handle;
    Word64 id, sector;
    BlockSegment seg[11];
};
struct BlockIndirect {
    uint8_t operation, indirect_op;
    uint16_t nr_segments;
    Word64 id, sector;
    uint16_t handle;
    uint32_t grefs[8];
    Word64 unused;
};
struct BlockResponse {
    Word64 id;
    uint8_t operation;
    int16_t status;
};
inline constexpr size_t block_ring_head = 64, block_slot_bytes = 108;

// Up to the time, which all widths have at the same place.
struct VcpuInfo {
    uint8_t upcall_pending, upcall_mask;
    uint32_t pending_sel;
    uint32_t cr2;
    uint32_t reserved[5];
    uint32_t time[8];
};

struct SharedInfo {
    VcpuInfo vcpu_info[32];
    uint32_t evtchn_pending[32], evtchn_mask[32];
    uint32_t wc_version, wc_sec, wc_nsec;
    uint32_t max_pfn, frame_list_list, nmi_reason, p2m_cr3, p2m_vaddr, p2m_generation, wc_sec_hi;
};
inline constexpr unsigned max_ports = 1024;

struct StartInfo {
    char magic[32];
    uint32_t nr_pages, shared_info, flags, store_mfn, store_evtchn, console_frame, console_port;
    uint32_t pt_base, nr_pt_frames, mfn_list, mod_start, mod_len;
    int8_t cmd_line[1024];
    uint32_t first_p2m_pfn, nr_p2m_frames;
};

} // namespace bulkhead::pae_abi
