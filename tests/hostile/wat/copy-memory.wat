;; Copies memory over itself, over and over.

;; -- memory
(memory (export "memory") 512)

;; -- add
(loop $on (memory.copy (i32.const 65536) (i32.const 131072) (i32.const 32000000)) (br $on))
