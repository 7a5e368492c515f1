;; Returns neither ok nor an error.

;; -- items
(data (i32.const 200) "\07\00\00\00")

;; -- keys
(return (i32.const 200))
