import sys

import numpy as np

from deepcae import ConvAutoencoder

train, test, dims, out = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
model = ConvAutoencoder(n_components=dims, max_iter=int(sys.argv[5]), random_state=1).fit(train)
codes = model.transform(test)
np.savez(out, codes=codes, restored=model.inverse_transform(codes))
