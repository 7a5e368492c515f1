;; Begins with more memory than any response gets.

;; -- memory
(memory (export "memory") 2000)
