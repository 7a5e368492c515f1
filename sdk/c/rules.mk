# How a response in C or C++ is built and tested. A project's Makefile sets
#   SOURCES  its .c and .cpp files
#   TESTS    its native test, which has the `main`
#   SDK      this folder
# and includes this file. Name and kind are those of plugin.toml. What is set on
# the command line wins: `make CLANG=clang-19`.

NAME := $(shell sed -n 's/^name *= *"\([^"]*\)".*/\1/p' plugin.toml)
KIND := $(shell sed -n 's/^kind *= *"\([^"]*\)".*/\1/p' plugin.toml)

CLANG ?= $(firstword $(shell command -v clang-16 clang 2>/dev/null))
CLANGXX ?= $(firstword $(shell command -v clang++-16 clang++ 2>/dev/null))
WASM_LD ?= $(firstword $(shell command -v wasm-ld-16 wasm-ld 2>/dev/null))
# clang takes a linker that it does not know by its full path alone.
LINKER = $(shell command -v $(WASM_LD) 2>/dev/null)

GENERATED := $(SDK)/generated/$(KIND)
# Of each kind by itself: what one has compiled is of no use to the other.
BUILD := build/$(KIND)
PARTS := riposte riposte_wasm riposte_http riposte_folder riposte_$(KIND)
OBJECTS := $(PARTS:%=$(BUILD)/wasm/sdk/%.o) $(BUILD)/wasm/sdk/plugin.o
OBJECTS += $(patsubst %,$(BUILD)/wasm/%.o,$(basename $(SOURCES)))
MOCK := $(BUILD)/native/sdk/riposte.o $(BUILD)/native/sdk/riposte_mock.o $(BUILD)/native/sdk/riposte_mock_json.o
NATIVE := $(MOCK) $(patsubst %,$(BUILD)/native/%.o,$(basename $(SOURCES) $(TESTS)))
HEADERS := $(wildcard $(SDK)/*.h $(SDK)/*.hpp *.h *.hpp)
HAS_CPP := $(filter %.cpp,$(SOURCES) $(TESTS))

KIND_FLAG := -DRIPOSTE_KIND_$(KIND)
WASM_FLAGS := --target=wasm32-wasi -Os -Wall -Wextra $(KIND_FLAG) -I$(SDK) -I$(GENERATED)
# Debian's driver does not look there by itself. An exception would need a
# runtime that WebAssembly has only just got: `abort` takes its place.
WASM_CXXFLAGS := -std=c++20 -stdlib=libc++ -isystem /usr/include/wasm32-wasi/c++/v1 -fno-exceptions -fno-rtti
NATIVE_FLAGS := -g -O1 -Wall -Wextra $(KIND_FLAG) -I$(SDK)

.PHONY: all test clean tools
all: $(NAME).wasm

APT := on Debian and Ubuntu: apt install clang-16 lld-16 wasi-libc libclang-rt-16-dev-wasm32
tools:
	@test -n "$(CLANG)" || { echo "clang is not there; $(APT)"; exit 1; }
	@test -n "$(LINKER)" || { echo "$(or $(WASM_LD),wasm-ld) is not there; $(APT)"; exit 1; }
	@test -e /usr/include/wasm32-wasi/stdlib.h -o -n "$(WASI_SYSROOT)" || { echo "the C library for WebAssembly is not there; $(APT) (or WASI_SYSROOT=folder)"; exit 1; }
ifneq ($(HAS_CPP),)
	@test -n "$(CLANGXX)" -a -e /usr/include/wasm32-wasi/c++/v1/string -o -n "$(WASI_SYSROOT)" || { echo "the C++ library for WebAssembly is not there; $(APT) libc++-16-dev-wasm32 libc++abi-16-dev-wasm32"; exit 1; }
endif
ifdef WASI_SYSROOT
WASM_FLAGS += --sysroot=$(WASI_SYSROOT)
endif

# A core module, of which `riposte plugin build` (or `riposte plugin wrap`) makes
# the component. What the response does not call is left out, and so is its
# import.
$(NAME).wasm: $(OBJECTS)
	$(if $(HAS_CPP),$(CLANGXX) -stdlib=libc++,$(CLANG)) $(filter --target=% --sysroot=%,$(WASM_FLAGS)) \
	  -mexec-model=reactor -fuse-ld=$(LINKER) -Wl,--strip-all \
	  $^ $(GENERATED)/plugin_component_type.o -o $@

$(BUILD)/wasm/sdk/plugin.o: $(GENERATED)/plugin.c | tools
	@mkdir -p $(@D)
	@$(CLANG) $(WASM_FLAGS) -std=c11 -c $< -o $@
$(BUILD)/wasm/sdk/%.o: $(SDK)/%.c $(HEADERS) | tools
	@mkdir -p $(@D)
	@$(CLANG) $(WASM_FLAGS) -std=c11 -c $< -o $@
$(BUILD)/wasm/%.o: %.c $(HEADERS) | tools
	@mkdir -p $(@D)
	$(CLANG) $(WASM_FLAGS) -std=c11 $(CFLAGS) -c $< -o $@
$(BUILD)/wasm/%.o: %.cpp $(HEADERS) | tools
	@mkdir -p $(@D)
	$(CLANGXX) $(WASM_FLAGS) $(WASM_CXXFLAGS) $(CXXFLAGS) -c $< -o $@

# The response on this machine, over a host that records.
test: $(BUILD)/native/$(NAME)-test
	$<
$(BUILD)/native/$(NAME)-test: $(NATIVE)
	@$(if $(HAS_CPP),$(CXX),$(CC)) $(CFLAGS) $^ -o $@
$(BUILD)/native/sdk/%.o: $(SDK)/%.c $(HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(NATIVE_FLAGS) -std=c11 $(CFLAGS) -c $< -o $@
$(BUILD)/native/%.o: %.c $(HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(NATIVE_FLAGS) -std=c11 $(CFLAGS) -c $< -o $@
$(BUILD)/native/%.o: %.cpp $(HEADERS)
	@mkdir -p $(@D)
	@$(CXX) $(NATIVE_FLAGS) -std=c++20 $(CXXFLAGS) -c $< -o $@

clean:
	rm -rf build $(NAME).wasm
