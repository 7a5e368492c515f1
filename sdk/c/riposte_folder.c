/* Files of granted folders, over wasi:filesystem. A component imports it when
 * its response reads. */
#include "riposte_wasm.h"

#include <string.h>

enum { READ = 64 << 10 };

/* The path beneath a folder; NULL when it lies elsewhere. */
static const char *beneath(const char *path, plugin_string_t folder) {
    size_t length = folder.len;
    while (length > 0 && folder.ptr[length - 1] == '/') length--;
    if (strlen(path) <= length || memcmp(path, folder.ptr, length) != 0 || path[length] != '/') return NULL;
    path += length;
    while (*path == '/') path++;
    return *path ? path : NULL;
}

static riposte_result refused(const char *path, wasi_filesystem_types_error_code_t code) {
    switch (code) {
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_ACCESS:
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_NOT_PERMITTED:
        return riposte_error_of("denied", riposte_format("%s may not be read", path), false);
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_NO_ENTRY:
        return riposte_failed("%s is not there", path);
    case WASI_FILESYSTEM_TYPES_ERROR_CODE_IS_DIRECTORY:
        return riposte_failed("%s is a folder", path);
    default:
        return riposte_failed("%s cannot be read (error %d of wasi:filesystem)", path, (int)code);
    }
}

static riposte_result read_all(const char *path, wasi_filesystem_types_own_descriptor_t file, riposte_bytes *content) {
    uint8_t *bytes = riposte_alloc(1);
    size_t length = 0, room = 1;
    for (bool end = false; !end;) {
        plugin_tuple2_list_u8_bool_t read;
        wasi_filesystem_types_error_code_t code;
        if (!wasi_filesystem_types_method_descriptor_read(wasi_filesystem_types_borrow_descriptor(file), READ, length, &read,
                                                          &code)) {
            return refused(path, code);
        }
        if (room - length <= read.f0.len) {
            room = (length + read.f0.len + 1) * 2;
            uint8_t *larger = riposte_alloc(room);
            memcpy(larger, bytes, length);
            bytes = larger;
        }
        if (read.f0.len > 0) memcpy(bytes + length, read.f0.ptr, read.f0.len);
        length += read.f0.len;
        /* Nothing and no end: nothing will come. */
        end = read.f1 || read.f0.len == 0;
        plugin_list_u8_free(&read.f0);
    }
    bytes[length] = 0;
    *content = (riposte_bytes){bytes, length};
    return RIPOSTE_OK;
}

riposte_result riposte_read_file(const char *path, riposte_bytes *content) {
    plugin_string_t lent;
    RIPOSTE_TRY(riposte_argument(path, &lent));
    wasi_filesystem_preopens_list_tuple2_own_descriptor_string_t folders;
    wasi_filesystem_preopens_get_directories(&folders);
    for (size_t i = 0; i < folders.len; i++) {
        const char *rest = beneath(path, folders.ptr[i].f1);
        if (!rest) continue;
        plugin_string_t below = riposte_lent(rest);
        wasi_filesystem_types_own_descriptor_t file;
        wasi_filesystem_types_error_code_t code;
        if (!wasi_filesystem_types_method_descriptor_open_at(
                wasi_filesystem_types_borrow_descriptor(folders.ptr[i].f0), WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW,
                &below, 0, WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ, &file, &code)) {
            return refused(path, code);
        }
        riposte_result result = read_all(path, file, content);
        wasi_filesystem_types_descriptor_drop_own(file);
        return result;
    }
    return riposte_error_of("denied", riposte_format("%s is in no folder that the command's <folder/> grants", path), false);
}
