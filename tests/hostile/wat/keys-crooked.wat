;; Returns an answer at an odd address.

;; -- keys
(return (i32.const 17))
