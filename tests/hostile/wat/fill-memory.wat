;; Fills memory over and over: few instructions, much work.

;; -- memory
(memory (export "memory") 512)

;; -- add
(loop $on (memory.fill (i32.const 65536) (i32.const 7) (i32.const 33000000)) (br $on))
