import sys

import numpy as np
from sklearn.decomposition import PCA

train, test, dims, out = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
model = PCA(dims, random_state=1).fit(train.reshape(len(train), -1))
codes = model.transform(test.reshape(len(test), -1))
np.savez(out, codes=codes, restored=model.inverse_transform(codes))
