/* Files of granted folders, over wasi:filesystem. A component imports it when
 * its response reads. */
#include "riposte_wasm.h"

#include <string.h>

enum { READ = 64 << 10 };

/* The path beneath a folder, `.` for the folder itself; NULL when it lies elsewhere. */
static const char *beneath(const char *path, plugin_string_t folder) {
    size_t length = folder.len;
    while (length > 0 && folder.ptr[length - 1] == '/') length--;
    if (strncmp(path, (const char *)folder.ptr, length) != 0 || (path[length] != '/' && path[length] != 0)) return NULL;
    path += length;
    while (*path == '/') path++;
    return *path ? path : ".";
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
    wasi_filesystem_types_descriptor_stat_t found;
    wasi_filesystem_types_error_code_t wrong;
    if (!wasi_filesystem_types_method_descriptor_stat(wasi_filesystem_types_borrow_descriptor(file), &found, &wrong)) {
        return refused(path, wrong);
    }
    /* A pipe would be waited for until the time of the call is over. */
    if (found.type != WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE) return riposte_failed("%s is no file", path);
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
    /* The longest that it lies in. */
    const char *rest = NULL;
    size_t best = 0;
    for (size_t i = 0; i < folders.len; i++) {
        const char *below = beneath(path, folders.ptr[i].f1);
        if (!below || (rest && folders.ptr[i].f1.len <= folders.ptr[best].f1.len)) continue;
        rest = below;
        best = i;
    }
    if (!rest) {
        return riposte_error_of("denied", riposte_format("%s is in no folder that the command's <folder/> grants", path), false);
    }
    plugin_string_t below = riposte_lent(rest);
    wasi_filesystem_types_own_descriptor_t file;
    wasi_filesystem_types_error_code_t code;
    if (!wasi_filesystem_types_method_descriptor_open_at(wasi_filesystem_types_borrow_descriptor(folders.ptr[best].f0), 0, &below, 0,
                                                         WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ, &file, &code)) {
        return refused(path, code);
    }
    riposte_result result = read_all(path, file, content);
    wasi_filesystem_types_descriptor_drop_own(file);
    return result;
}
