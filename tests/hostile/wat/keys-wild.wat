;; Returns an answer that lies beyond its memory.

;; -- keys
(return (i32.const -16))
