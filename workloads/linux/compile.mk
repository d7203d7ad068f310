# Compiles the C and C++ files of FOLDERS, and files that it names, to objects below OUT, in a guest (the job `compile`) and
# on the host alike, from this project's root: same compiler, same sources, same bytes.
CC = gcc-12
CXX = g++-12
FOLDERS = workloads/linux/programs
DEFINITIONS = -D__XEN_INTERFACE_VERSION__=0x00040e00 -DBULKHEAD_FREESTANDING
OUT = /tmp/out

sources := $(sort $(filter %.c %.cpp,$(FOLDERS)) $(foreach folder,$(FOLDERS),$(wildcard $(folder)/*.c $(folder)/*.cpp)))
objects := $(sources:%=$(OUT)/%.o)

all: $(objects)

$(OUT)/%.c.o: %.c
	mkdir -p $(@D)
	$(CC) -std=c11 -O2 -c $< -o $@

$(OUT)/%.cpp.o: %.cpp
	mkdir -p $(@D)
	$(CXX) -std=c++23 -O2 $(DEFINITIONS) -ffreestanding -fno-exceptions -fno-rtti -fno-pic -mcmodel=kernel -I. -c $< -o $@
